# SPDX-License-Identifier: Apache-2.0
"""What containers are like: an affinity mask without CPU 0, a small /dev/shm, a limit on memory."""
import json
import os
import pathlib
import shutil
import subprocess

from harness import TAILRACED, Daemon, run_story, tailgen

CGROUPS = pathlib.Path("/sys/fs/cgroup")


def works(d):
    report = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 20000, "--rate", 20000)
    audit = d.settle()
    assert audit["accepted_spans"] == report["spans_acknowledged"] >= 20000, (report, audit)


def an_affinity_without_cpu_0():
    cpus = sorted(os.sched_getaffinity(0) - {0})
    if not cpus:
        print("no CPU but 0: not shown")
        return
    with Daemon(prefix=["taskset", "-c", str(cpus[-1])], lcores="auto") as d:
        assert [lcore["cpu"] for lcore in d.tailctl("status")["lcores"]] == [cpus[-1]]
        works(d)


def in_small_shm(megabytes):
    return ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size={megabytes}m none "$0" && exec "$@"', "{rings}"]


def a_small_shm():
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        print("no mount namespaces: not shown")
        return
    with Daemon(prefix=in_small_shm(64), journal="auto", outbox="auto") as d:
        status = d.tailctl("status")
        assert 4 << 20 <= status["journal_bytes"] <= 32 << 20, status
        works(d)
    for journal in ("64MiB", "auto"):
        try:
            with Daemon(prefix=in_small_shm(8), journal=journal):
                raise RuntimeError("it started")
        except AssertionError as e:
            assert "journal.size" in str(e) and "8 MiB" in str(e), e


def a_journal_path_that_is_not_there():
    text = json.dumps({"ports": [{"name": "a", "listen": ["127.0.0.1:0"]}], "journal": {"size": "4MiB", "path": "/nowhere/at/all"},
                       "lcores": {"count": 1}, "tail_sampling": {"policies": [{"name": "all", "type": "always_sample"}]}})
    done = subprocess.run([TAILRACED, "--check", "-c", "/dev/stdin"], input=text, capture_output=True, text=True)
    assert done.returncode == 1, done
    assert "journal.path: /nowhere/at/all: No such file or directory" in done.stderr, done


def limited_to(megabytes):
    """A control group with that much memory, or None."""
    v1 = CGROUPS / "memory"
    group = (v1 if v1.is_dir() else CGROUPS) / f"tailrace-e2e-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if v1.is_dir() else "memory.max")).write_text(str(megabytes << 20))
        return group
    except OSError:
        if group.is_dir():
            group.rmdir()
        return None


def a_memory_limit():
    group = limited_to(256)
    if not group:
        print("no control groups: not shown")
        return
    try:
        with Daemon(prefix=["sh", "-c", 'echo $$ > "$0"/cgroup.procs && exec "$@"', str(group)], journal="auto",
                    outbox="auto") as d:
            assert 16 << 20 <= d.tailctl("status")["journal_bytes"] <= 128 << 20
            works(d)
            # As much as fills the journal many times over: the limit is never met.
            tailgen("--to", f"127.0.0.1:{d.port}", "--duration", "5s")
            d.audit()
    finally:
        group.rmdir()


assert shutil.which("taskset") and shutil.which("unshare"), "util-linux is missing"
run_story(an_affinity_without_cpu_0, a_small_shm, a_journal_path_that_is_not_there, a_memory_limit)
