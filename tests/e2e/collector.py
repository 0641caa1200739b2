# SPDX-License-Identifier: Apache-2.0
"""A real Collector with the load-balancing exporter, as perf/compare --peers builds it, or the one that $COLLECTOR names."""
import contextlib
import os
import re
import subprocess
import sys
import tempfile

from harness import DIES_WITH_US, free_port, http_get, wait_for

SOURCE = os.environ.get("TAILRACE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(SOURCE, "perf/compare.d"))

import peers  # noqa: E402


def binary():
    """Its path and None, or None and why there is none."""
    path = os.environ.get("COLLECTOR")
    if path is None:
        try:
            return peers.balancer(False), None
        except peers.Missing as e:
            return None, str(e)
    try:
        done = subprocess.run([path, "components"], capture_output=True, text=True, timeout=30)
    except OSError as e:
        return None, f"$COLLECTOR: {e}"
    if "load_balancing" not in done.stdout:
        return None, f"$COLLECTOR: {path} has no load_balancing exporter"
    return path, None


class Balancer:
    """A Collector on conf/scale-out-collector.yaml; a context manager. `boxes` are two addresses."""

    def __init__(self, boxes):
        self.port, self.metrics_port = free_port(), free_port()
        self.environment = dict(os.environ, LISTEN_GRPC=f"127.0.0.1:{self.port}", LISTEN_HTTP=f"127.0.0.1:{free_port()}",
                                TAILRACE_A=boxes[0], TAILRACE_B=boxes[1], METRICS_PORT=str(self.metrics_port))
        self.log = tempfile.TemporaryFile("w+")

    def __enter__(self):
        config = os.path.join(SOURCE, "conf/scale-out-collector.yaml")
        self.process = subprocess.Popen([*DIES_WITH_US, binary()[0], "--config", config], env=self.environment,
                                        stdout=self.log, stderr=self.log)
        wait_for(lambda: self.process.poll() is not None or http_get(self.metrics_port, "/metrics")[0] == 200, "the Collector")
        if self.process.poll() is not None:
            raise AssertionError("the Collector ended: " + self.read_log())
        return self

    def __exit__(self, kind, *_):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        if kind:
            print(self.read_log()[-4000:])
        self.log.close()

    def read_log(self):
        self.log.seek(0)
        return self.log.read()

    def metrics(self):
        """Of its own: name to [(labels, value)], names without the suffix _total."""
        rows = {}
        for line in http_get(self.metrics_port, "/metrics")[1].decode().splitlines():
            found = re.match(r"(\w+?)(?:_total)?(?:\{(.*)\})? (\S+)$", line)
            if found and not line.startswith("#"):
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
                rows.setdefault(found[1], []).append((labels, float(found[3])))
        return rows

    def metric(self, name, **labels):
        """Sum of the rows with these labels; 0 if it has counted none so far."""
        return sum(value for row, value in self.metrics().get("otelcol_" + name, []) if labels.items() <= row.items())
