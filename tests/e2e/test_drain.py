# SPDX-License-Identifier: Apache-2.0
"""SIGTERM: what is held is decided and delivered before the daemon ends; readiness says so meanwhile. SIGKILL: the rings
that are left behind don't keep the next daemon from starting."""
import os
import signal
import subprocess

from harness import Daemon, http_get, run_story, tailgen, wait_for
from sink import Sink


def what_is_held_is_decided_and_delivered():
    with Sink() as sink, Daemon(wait="60s", backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]",
                                policies="\n    - {name: all, type: always_sample}", rules="[]", lcores=2) as d:
        report = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 20000, "--connections", 4, "--batch", 50, "--rate",
                         40000)
        wait_for(lambda: d.audit()["held_spans"] == report["spans_acknowledged"], "all to be held")
        assert d.stop(signal.SIGTERM) == 0
        assert sum(1 for _ in sink.spans()) == report["spans_acknowledged"]


def a_dead_backend_does_not_hold_up_the_end_for_longer_than_drain_timeout():
    with Sink() as sink:
        port = sink.port
    with Daemon(wait="60s", backends=f"[{{name: gone, kind: otlp_http, endpoint: 'http://127.0.0.1:{port}'}}]",
                policies="\n    - {name: all, type: always_sample}") as d:
        with open(d.config) as f:
            text = f.read()
        d.stop()
        with open(d.config, "w") as f:
            f.write(text.replace("drain_timeout: 20s", "drain_timeout: 2s"))
        d.start()
        tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 1000, "--connections", 1, "--batch", 50)
        d.process.send_signal(signal.SIGTERM)
        wait_for(lambda: http_get(d.telemetry, "/readyz")[0] in (0, 503), "readiness to go")
        assert d.process.wait(15) == 0
        assert "dropped_shutdown" in d.read_log() or "shutdown" in d.read_log()


def what_a_killed_daemon_left_makes_room_for_the_next():
    daemon = Daemon()
    # Room for the rings of one daemon, not of two.
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "rings", daemon.rings]).returncode:
        print("not shown: no mount here")
        return
    try:
        with daemon:
            tailgen("--to", f"127.0.0.1:{daemon.port}", "--spans", 20000, "--connections", 1, "--batch", 50)
            daemon.stop(signal.SIGKILL)
            assert sorted(os.listdir(daemon.rings)) == ["journal.0", "outbox.0", "verdicts.0"]
            daemon.start()
            tailgen("--to", f"127.0.0.1:{daemon.port}", "--spans", 1000, "--connections", 1, "--batch", 50)
            daemon.settle()
    finally:
        subprocess.run(["umount", daemon.rings], check=True)
        daemon.remove()


run_story(what_is_held_is_decided_and_delivered, a_dead_backend_does_not_hold_up_the_end_for_longer_than_drain_timeout,
          what_a_killed_daemon_left_makes_room_for_the_next)
