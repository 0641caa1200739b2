# SPDX-License-Identifier: Apache-2.0
"""Real programs under real auto-instrumentation: SQLAlchemy's lazy load, a retry loop without back-off, a pool of 5 with
50 workers, a call into another zone, a slow lookup, and a root that nothing explains. Each is caught by the policy on the
shape of traces that is meant for it; its fixed twin by none."""
import os
import subprocess

import otlp
from harness import DIES_WITH_US, Daemon, run_story, skip
from sink import Sink

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = [os.path.join(HERE, "python"), os.path.join(HERE, "shape_programs.py")]
POLICIES = {  # policy and the program it is meant for
    "n_plus_one": ("lazy", "min_siblings: 10"),
    "retry_storm": ("retry", "min_attempts: 3, max_gap_ms: 100"),
    "pool_wait": ("pool", "threshold_ms: 150"),
    "cross_zone": ("zones", "threshold_ms: 200"),
    "dominant_span": ("lookup", "share_percent: 50, min_ms: 500"),
    "gap": ("gap", "threshold_ms: 2000"),
}


class Server:
    def __init__(self, name, zone, daemon):
        self.process = subprocess.Popen([*DIES_WITH_US, *PROGRAMS, "server", name, zone, f"http://127.0.0.1:{daemon.port}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.said = self.process.stdout.readline().strip()
        if not self.said.isdigit():
            skip("no instrumentations for Python: run tools/check e2e, which installs them: " + self.said)
        self.url = f"http://127.0.0.1:{self.said}"

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


def root_name(spans):
    return next(otlp.first(s, 5).decode() for s in spans if not otlp.first(s, 4))


def policy_row(policy):
    return f"\n    - {{name: {policy}, type: {policy}, {policy}: {{{POLICIES[policy][1]}}}}}"


def each_is_caught_and_its_twin_is_not():
    with Sink() as sink, Daemon(wait="5s", lcores=2, policies="".join(policy_row(p) for p in POLICIES),
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        near, far = Server("near", "zone-a", d), Server("far", "zone-b", d)
        done = subprocess.run([*PROGRAMS, "client", "zone-a", f"http://127.0.0.1:{d.port}", near.url, far.url],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        near.stop()
        far.stop()
        audit = d.settle()
        traces = sink.traces()
        names = {trace: root_name(spans) for trace, spans in traces.items()}
        assert sorted(names.values()) == sorted(program for program, _ in POLICIES.values()), names.values()
        assert sum(len(spans) for spans in traces.values()) == audit["kept_spans"], audit
        rows = {row["name"]: row for row in d.tailctl("policies")["policies"]}
        for policy, (program, _) in POLICIES.items():
            assert rows[policy]["traces_kept"] >= 1, rows[policy]
            assert names[rows[policy]["example_trace_id"]] == program, (policy, rows[policy], names)


run_story(each_is_caught_and_its_twin_is_not)
