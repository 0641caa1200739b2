# SPDX-License-Identifier: Apache-2.0
"""docs/migrating-from-the-collector.md, as it stands: its config is written, its commands are run, in order, in one shell.

Only places are changed: the folders are the story's own, and the ports are free ones.
"""
import json
import os
import re
import shutil
import subprocess
import tempfile

from harness import TAILCTL, TAILGEN, TAILRACED, free_port, run_story
from sink import Sink

SOURCE = os.environ.get("TAILRACE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))


def blocks(kind):
    with open(os.path.join(SOURCE, "docs/migrating-from-the-collector.md"), encoding="utf-8") as page:
        return re.findall(rf"^```{kind}\n(.*?)^```$", page.read(), re.M | re.S)


def journey(folder, vendor):
    """Run it; what the shell said, by step, and the folder's files."""
    places = {"/tmp/tailrace-trial": folder, "/dev/shm/tailrace-trial": f"/dev/shm/tailrace-migrating-{os.getpid()}",
              "14318": str(vendor), "4317": str(free_port()), "4318": str(free_port())}

    def placed(text):
        return re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], text)

    (config,) = blocks("yaml")
    with open(f"{folder}/collector.yaml", "w", encoding="utf-8") as file:
        file.write(placed(config))
    os.mkdir(f"{folder}/bin")
    for program in (TAILRACED, TAILCTL, TAILGEN):
        os.symlink(os.path.abspath(program), f"{folder}/bin/{os.path.basename(program)}")
    steps = blocks("sh")
    assert len(steps) >= 9, len(steps)
    script = "set -euo pipefail\n" + "\n".join(f"echo '== step {i}'\n{placed(step)}" for i, step in enumerate(steps))
    script = f"trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n{script}\necho '== end'"
    # The port of telemetry is not in the page: one may run beside another.
    script = script.replace("\ncontrol: {", f"\ntelemetry: {{listen: '127.0.0.1:{free_port()}'}}\ncontrol: {{", 1)
    environment = dict(os.environ, PATH=f"{folder}/bin:{os.environ['PATH']}")
    done = subprocess.run(["bash", "-c", script], env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    shutil.rmtree(places["/dev/shm/tailrace-trial"], ignore_errors=True)
    log = f"{folder}/tailraced.log"
    assert done.returncode == 0 and "== end" in done.stdout, \
        done.stdout + done.stderr + (open(log).read() if os.path.exists(log) else "")
    return done.stdout


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def kept_in_file(path):
    return {span["traceId"] for line in lines_of(path) for r in line["resourceSpans"] for s in r["scopeSpans"]
            for span in s["spans"]}


def the_page_works_as_it_stands():
    with tempfile.TemporaryDirectory(prefix="tailrace-migrating-") as folder, Sink() as vendor:
        said = journey(folder, vendor.port)
        for expected in ("hash of user.id", "health is at telemetry.listen", "see left.txt", "good", "broken-orders",
                         "baseline", "sampling_percentage", "applied, epoch 2", "confirmed"):
            assert expected in said, (expected, said)
        truth = lines_of(f"{folder}/truth.jsonl")
        kept = kept_in_file(f"{folder}/kept.jsonl")
        must = {trace["id"] for trace in truth if trace["error"]}
        assert must and must <= kept, (len(must), len(must - kept))
        assert len(kept) < 0.5 * len(truth), (len(kept), len(truth))
        assert set(vendor.traces()) == kept, "both backends have the same traces"
        assert vendor.bodies and all(h.get("Authorization") == "Bearer secret" for _, h, _ in vendor.bodies), \
            "the secret comes from the environment, behind its word"
        for name in os.listdir(folder):
            if name.endswith(".yaml"):
                with open(f"{folder}/{name}", encoding="utf-8") as file:
                    assert "Bearer secret" not in file.read(), name


run_story(the_page_works_as_it_stands)
