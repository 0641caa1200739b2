# SPDX-License-Identifier: Apache-2.0
"""Has the peers at hand: a Collector that is built by the Collector's own builder, and Rotel from its Python package.

All of it lies in one folder, $TAILRACE_PEERS or ~/.cache/tailrace-peers. A stamp beside each binary says from what it was
made, so that a second run returns at once and another version here is built anew.
"""
import hashlib
import os
import re
import shutil
import subprocess
import sys

COLLECTOR = "0.161.0"  # of the Collector and of its contributed components alike
ROTEL = "0.0.1a15"
GO_LEAST = (1, 25)

CORE = "go.opentelemetry.io/collector"
CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"
MODULES = {
    "receivers": [CORE + "/receiver/otlpreceiver"],
    "processors": [CONTRIB + "/processor/attributesprocessor", CONTRIB + "/processor/tailsamplingprocessor"],
    "exporters": [CORE + "/exporter/nopexporter", CORE + "/exporter/otlpexporter"],
}
# One more, which spreads traces over several daemons: tests/e2e/test_load_balancing.py.
BALANCER_MODULES = {
    "receivers": MODULES["receivers"],
    "exporters": [CONTRIB + "/exporter/loadbalancingexporter"],
}
# For its resolver of AWS names, which is not used here: the version it asks for is not to be had from Go's proxy.
AWS_NAMES = "github.com/aws/aws-sdk-go-v2/service/servicediscovery"
BALANCER_REPLACES = [f"{AWS_NAMES} => {AWS_NAMES} v1.39.27"]

# One more, that writes what it keeps to files: tests/differential/collector/regenerate.
ORACLE_MODULES = {
    "receivers": MODULES["receivers"],
    "processors": [CONTRIB + "/processor/tailsamplingprocessor"],
    "exporters": [CONTRIB + "/exporter/fileexporter"],
}

# One more, with the connector that makes RED metrics of spans: tests/differential/span_metrics/regenerate.
SPAN_METRICS_MODULES = {
    "receivers": MODULES["receivers"],
    "exporters": [CORE + "/exporter/otlphttpexporter"],
    "connectors": [CONTRIB + "/connector/spanmetricsconnector"],
}


class Missing(Exception):
    """A peer can't be had; says why."""


def folder():
    return os.environ.get("TAILRACE_PEERS") or os.path.expanduser("~/.cache/tailrace-peers")


def manifest(to, name, modules, replaces):
    lines = ["dist:", f"  name: {name}", "  description: beside tailrace", f"  version: {COLLECTOR}",
             f"  output_path: {to}"]
    for section, names in modules.items():
        lines += [section + ":"] + [f"  - gomod: {module} v{COLLECTOR}" for module in names]
    if replaces:
        lines += ["replaces:"] + [f"  - {replace}" for replace in replaces]
    return "\n".join(lines) + "\n"


def is_made(binary, want):
    try:
        with open(binary + ".stamp") as stamp:
            return stamp.read() == want and os.access(binary, os.X_OK)
    except OSError:
        return False


def stamp_write(binary, text):
    with open(binary + ".stamp", "w") as stamp:
        stamp.write(text)


def run(what, command, log, **more):
    """A step of a build, at the lowest priority; its output goes to a log that the error names."""
    print(f"compare: {what}", file=sys.stderr, flush=True)
    with open(log, "w") as out:
        done = subprocess.run(["nice", "-n", "19", *command], stdout=out, stderr=subprocess.STDOUT, timeout=3000, **more)
    if done.returncode:
        with open(log) as out:
            last = out.read().strip().splitlines()[-3:]
        raise Missing(f"{what}: exit {done.returncode}, see {log}: {' | '.join(last)}")


def debian_install(names):
    """By tools/packages.sh, as everything that comes from Debian here."""
    packages = os.path.join(os.path.dirname(__file__), "../../tools/packages.sh")
    done = subprocess.run(["bash", "-c", '. "$0" && packages_install "$@" >&2', packages, *names])
    if done.returncode:
        raise Missing(f"can't install {' '.join(names)}")


def go_find():
    """A go command and its version; Debian's is installed where there is none."""
    for turn in range(2):
        for go in (shutil.which("go"), "/usr/local/go/bin/go"):
            if go and os.access(go, os.X_OK):
                text = subprocess.run([go, "version"], capture_output=True, text=True).stdout
                found = re.search(r"go(\d+)\.(\d+)", text)
                if found:
                    return go, tuple(map(int, found.groups()))
        if turn == 0:
            debian_install(["golang"])
    raise Missing("no Go compiler")


def collector(build, name="collector", modules=None, replaces=()):
    """The path of a Collector's binary that has these modules."""
    here = folder()
    binary, source = os.path.join(here, "bin", name), os.path.join(here, name + "-src")
    text = manifest(source, name, modules or MODULES, replaces)
    want = hashlib.sha256(text.encode()).hexdigest()
    if is_made(binary, want):
        return binary
    if not build:
        raise Missing("the Collector is not built yet: run perf/compare --peers")
    go, version = go_find()
    # From 1.21 on a Go fetches the newer one that a module asks for.
    if version < (1, 21):
        raise Missing(f"the Collector needs Go {GO_LEAST[0]}.{GO_LEAST[1]} or later, {go} is {version[0]}.{version[1]}: "
                      "put a newer one first in PATH (bookworm-backports has one that fetches what it needs)")
    os.makedirs(source, exist_ok=True)
    os.makedirs(os.path.dirname(binary), exist_ok=True)
    path = os.path.join(source, "manifest.yaml")
    with open(path, "w") as out:
        out.write(text)
    environment = dict(os.environ, GOBIN=os.path.dirname(binary), CGO_ENABLED="0", GOFLAGS="-p=2",
                       PATH=os.path.dirname(go) + ":" + os.environ["PATH"])
    if version < GO_LEAST:
        environment["GOTOOLCHAIN"] = "auto"
    run("building the Collector's builder", [go, "install", f"{CORE}/cmd/builder@v{COLLECTOR}"],
        os.path.join(here, "builder.log"), env=environment)
    run(f"building the Collector {COLLECTOR} (some minutes)",
        [os.path.join(os.path.dirname(binary), "builder"), "--config", path], os.path.join(here, name + ".log"),
        env=environment)
    os.replace(os.path.join(source, name), binary)
    stamp_write(binary, want)
    return binary


def oracle(build):
    """The path of a Collector that writes what its tail sampler keeps to files."""
    return collector(build, "collector-oracle", ORACLE_MODULES)


def span_metrics(build):
    """The path of a Collector that has the span_metrics connector."""
    return collector(build, "collector-span-metrics", SPAN_METRICS_MODULES)


def balancer(build):
    """The path of a Collector that has the load-balancing exporter."""
    return collector(build, "collector-balancer", BALANCER_MODULES, BALANCER_REPLACES)


def rotel(build):
    """The path of Rotel's agent, the native program inside its package."""
    here = folder()
    venv, binary = os.path.join(here, "rotel-venv"), os.path.join(here, "bin/rotel")
    if is_made(binary, ROTEL):
        return binary
    if not build:
        raise Missing("Rotel is not installed yet: run perf/compare --peers")
    os.makedirs(os.path.dirname(binary), exist_ok=True)
    debian_install(["python3-venv"])
    log = os.path.join(here, "rotel.log")
    run("a Python environment for Rotel", [sys.executable, "-m", "venv", "--clear", venv], log)
    python = os.path.join(venv, "bin/python")
    run(f"installing Rotel {ROTEL}", [python, "-m", "pip", "install", "--quiet", f"rotel=={ROTEL}"], log)
    found = subprocess.run([python, "-c", "import rotel; print(list(rotel.__path__)[0])"], capture_output=True, text=True)
    agent = os.path.join(found.stdout.strip(), "rotel-agent")
    if not os.access(agent, os.X_OK):
        raise Missing(f"Rotel's package has no {agent}")
    if os.path.lexists(binary):
        os.unlink(binary)
    os.symlink(agent, binary)
    stamp_write(binary, ROTEL)
    return binary
