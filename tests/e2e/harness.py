# SPDX-License-Identifier: Apache-2.0
"""What the stories share: a daemon with a config of its own, a recording sink, tailctl, and waiting for conditions."""
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import otlp

TAILRACED = os.environ.get("TAILRACED", "build/app/tailraced")
TAILCTL = os.environ.get("TAILCTL", "build/tools/tailctl")
TAILGEN = os.environ.get("TAILGEN", "build/perf/tailgen")
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]  # with the thread that started it
SKIP = 77  # meson's exit code for a skipped test


def skip(why):
    print("skipped:", why)
    sys.exit(SKIP)


reserved = []  # names in the abstract namespace, as long as this process lives: no other story is given the same port


def free_port():
    """A port of 127.0.0.1 below those that the kernel gives to who connects, which may take one before we listen on it."""
    while True:
        port = random.randrange(12000, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            name.bind(f"\0tailrace-e2e-port-{port}")
            reserved.append(name)
            return port


def wait_for(condition, what, seconds=30):
    """Wait until condition() is true; its last value is returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


DEFAULTS = {
    "lcores": 1,
    "journal": "64MiB",
    "outbox": "16MiB",
    "wait": "1s",
    "wait_min": "200ms",
    "policies": """
    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
    - {name: slow, type: latency, latency: {threshold_ms: 1000}}
    - {name: baseline, type: probabilistic, probabilistic: {sampling_percentage: 10}}""",
    "rules": '[{keys: ["user.id", "order.id"], action: demote}]',
    "backends": "[]",
    "ports": "",  # instead of the one on 127.0.0.1
    "extra": "",
}

CONFIG = """
control: {{socket: {folder}/control.sock}}
telemetry: {{listen: "127.0.0.1:{telemetry}"}}
lcores: {{count: {lcores}}}
journal: {{size: {journal}, outbox_size: {outbox}, path: {rings}}}
drain_timeout: 20s
ports:
  {ports}
tail_sampling:
  decision_wait: {wait}
  decision_wait_min: {wait_min}
  policies:{policies}
attributes:
  rules: {rules}
backends: {backends}
{extra}
"""


class Daemon:
    """tailraced on a config made from DEFAULTS and `options`; a context manager that stops it.

    It runs in `place`, a context manager that moves the calling thread there (netns.Namespace), and dies with the story.
    `prefix` is a command that starts it; `{rings}` there is the folder of its rings.
    """

    def __init__(self, place=None, prefix=(), **options):
        self.place = place or contextlib.nullcontext()
        self.prefix = prefix
        self.folder = tempfile.mkdtemp(prefix="tailrace-e2e.")
        self.rings = tempfile.mkdtemp(prefix="tailrace-e2e.", dir="/dev/shm")
        self.options = DEFAULTS | options
        self.port = free_port()
        self.telemetry = free_port()
        self.config = os.path.join(self.folder, "tailrace.yaml")
        self.log = os.path.join(self.folder, "log")
        self.process = None
        self.write_config()

    def write_config(self, **options):
        """Write the config file anew with some options changed, and return its path."""
        self.options |= options
        local = f'- {{name: local, kind: kernel, listen: ["127.0.0.1:{self.port}"]}}'
        with open(self.config, "w") as f:
            f.write(CONFIG.format(folder=self.folder, rings=self.rings, telemetry=self.telemetry,
                                  **(self.options | {"ports": self.options["ports"] or local})))
        return self.config

    def start(self):
        prefix = [p.replace("{rings}", self.rings) for p in self.prefix]
        with open(self.log, "a") as log, self.place:
            self.process = subprocess.Popen([*DIES_WITH_US, *prefix, TAILRACED, "-c", self.config], stderr=log, stdout=log)
        wait_for(lambda: self.process.poll() is not None or self.is_ready(), "the daemon to be ready")
        if self.process.poll() is not None:
            raise AssertionError("the daemon ended: " + self.read_log())
        return self

    def is_ready(self):
        with self.place:
            return http_get(self.telemetry, "/readyz")[0] == 200

    def read_log(self):
        with open(self.log) as f:
            return f.read()

    def tailctl(self, *args, check=True):
        """tailctl --json ARGS: the answer; with check=False (exit code, answer or text)."""
        done = subprocess.run([TAILCTL, "-s", f"{self.folder}/control.sock", "--json", *args], capture_output=True,
                              text=True, timeout=30)
        if check and done.returncode != 0:
            raise AssertionError(f"tailctl {args}: {done.returncode}: {done.stdout}{done.stderr}")
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = done.stdout + done.stderr
        return answer if check else (done.returncode, answer)

    def counter(self, name, **labels):
        """Sum of tailrace_NAME's rows with these labels, of all lcores."""
        rows = [row["value"] for row in self.tailctl("stats", "tailrace_" + name)["stats"]
                if row["name"] == "tailrace_" + name and labels.items() <= row["labels"].items()]
        assert rows, f"no counter {name} {labels}"
        return sum(rows)

    def memory(self):
        """Resident memory in KiB, without the rings."""
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(next(line for line in f if line.startswith("RssAnon:")).split()[1])

    def audit(self):
        audit = self.tailctl("audit")
        assert audit["balanced"], json.dumps(audit, indent=1)
        return audit

    def settle(self, seconds=60):
        """Wait until all that was accepted is decided and all that was kept has left; return a balanced audit."""
        def settled():
            audit = self.audit()
            return audit if audit["settled"] else None
        return wait_for(settled, "everything to be decided and delivered", seconds)

    def in_force(self):
        """Wait until traces begin under the newest config: every lcore walks under it and has taken the others' marks."""
        epoch = self.tailctl("status")["config"]["epoch"]
        wait_for(lambda: all(s["value"] == epoch for s in self.tailctl("stats")["stats"] if s["name"] == "tailrace_config_epoch"),
                 "every lcore to walk under it")
        self.audit()  # each ends a turn, in which the mark went out,
        self.audit()  # and one more, which began with what was in the rings

    def stop(self, sig=signal.SIGTERM, seconds=40):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(seconds)
        return self.process.returncode if self.process else None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def remove(self):
        shutil.rmtree(self.rings, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(self, kind, value, traceback):
        code = self.stop()
        if kind:
            print(self.read_log()[-4000:])
        self.remove()
        if not kind and code != 0:
            raise AssertionError(f"the daemon ended with {code}")


def http_get(port, path):
    """(status, body) of a GET over a connection of its own; (0, b"") when there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while chunk := s.recv(65536):
                data += chunk
    except OSError:
        return 0, b""
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def post(port, body, path="/v1/traces", timeout=60, **headers):
    """(status, headers, body) of what comes back for OTLP over HTTP/1.1. Names of headers: with _ for -, and in lower case
    what comes back."""
    headers = {"content-type": "application/x-protobuf"} | {name.replace("_", "-"): v for name, v in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as refused:
        answer = refused
    with answer:
        return answer.status, {name.lower(): v for name, v in answer.headers.items()}, answer.read()


def export(port, spans, service="shop", attributes=()):
    """Send spans as one request, which is accepted."""
    status, _, answer = post(port, otlp.request(spans, service, attributes))
    assert status == 200, (status, answer)


def tailgen(*args, place=None):
    """tailgen ARGS --json, in `place`: its report."""
    with place or contextlib.nullcontext():
        done = subprocess.run([TAILGEN, *map(str, args), "--json"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, f"tailgen: {done.returncode}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def run_story(*tests):
    """Run the functions of a story in order, each by its name."""
    for test in tests:
        begin = time.monotonic()
        test()
        print(f"ok {test.__name__} ({time.monotonic() - begin:.1f} s)", flush=True)
