# SPDX-License-Identifier: Apache-2.0
"""Flask services under real auto-instrumentation: headers stripped between two of them, and one whose SDK is set up after
its imports. `tailctl services` names both, and not their healthy twins; `tailctl policies` says what each policy cost."""
import itertools
import os
import re
import subprocess
import urllib.request

import otlp
from harness import DIES_WITH_US, TAILCTL, Daemon, run_story, skip, tailgen, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
VISITS = 40
# A trace is judged when nothing came of it for so long: the SDKs send what they have five times a second, if they get to it.
STUDY = "services: {wait: 4s, window: 1h}"


class Service:
    def __init__(self, role, name, daemon, peers=()):
        self.name = name
        self.process = subprocess.Popen(
            [*DIES_WITH_US, os.path.join(HERE, "python"), os.path.join(HERE, "services_shop.py"), role, name,
             f"http://127.0.0.1:{daemon.port}", *(f"{peer.name}={peer.url}" for peer in peers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.said = self.process.stdout.readline().strip()
        self.url = f"http://127.0.0.1:{self.said}"

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0, self.name


def missing_python():
    done = subprocess.run([os.path.join(HERE, "python"), os.path.join(HERE, "services_shop.py"), "shop", "x", "http://x"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 77 else None


def post(d, spans):
    request = urllib.request.Request(f"http://127.0.0.1:{d.port}/v1/traces", otlp.request(spans),
                                     {"content-type": "application/x-protobuf"})
    assert urllib.request.urlopen(request, timeout=10).status == 200


def of_kind(answer, kind):
    return [f for f in answer["findings"] if f["kind"] == kind]


def services_are_named():
    why = missing_python()
    if why:
        skip("no instrumentations for Python: run tools/check e2e, which installs them: " + why)
    with Daemon(lcores=2, wait="1s", extra=STUDY) as d:
        # What comes within the first wait may have begun before: it is not judged.
        wait_for(lambda: d.tailctl("status")["uptime_seconds"] > 4.2, "the study to begin")
        shops = [Service("shop", "healthy", d), Service("shop", "stripped", d), Service("late", "late", d)]
        gateway = Service("gateway", "gateway", d, peers=shops)
        for _ in range(VISITS):
            assert urllib.request.urlopen(gateway.url + "/visit", timeout=10).read() == b"all"
        for service in [gateway, *shops]:
            service.stop()  # flushes
        d.settle()
        # The gateway's trace, and one of `stripped` and of `late` each, a visit.
        answer = wait_for(lambda: (a := d.tailctl("services"))["study"]["judged_traces"] >= 3 * VISITS and
                          len(a["findings"]) >= 2 and a, "all traces to be judged")
        rows = {row["name"]: row for row in answer["services"]}
        assert rows.keys() == {"gateway", "healthy", "stripped", "late"}, rows.keys()
        assert answer["study"]["one_in"] == 1 and answer["study"]["void_traces"] == 0, answer["study"]
        assert sum(row["spans"] for row in rows.values()) == d.audit()["accepted_spans"]

        lost, = of_kind(answer, "lost_context")
        assert (lost["caller"], lost["service"]) == ("gateway", "stripped"), lost
        assert lost["count"] == VISITS, lost
        late, = of_kind(answer, "no_entry_spans")
        assert (late["caller"], late["service"]) == ("gateway", "late"), late
        assert len(answer["findings"]) == 2, answer["findings"]

        assert [p for p in answer["pairs"] if p["called"] == "healthy"] == [
            {"caller": "gateway", "called": "healthy", "joined_spans": VISITS, "parent_missing_spans": 0,
             "example_trace_id": answer["pairs"][0]["example_trace_id"]}], answer["pairs"]
        assert rows["healthy"]["traces_begun"] == 0 and rows["gateway"]["traces_begun"] == VISITS
        assert rows["stripped"]["traces_begun"] == rows["late"]["traces_begun"] == VISITS
        assert all(row["traces_without_root"] == row["parent_missing_spans"] == 0 for row in rows.values()), rows
        assert [s["name"] for s in rows["late"]["scopes"]] == ["late.work"], rows["late"]
        assert any(s["library"] and "server" in s["kinds"] for s in rows["healthy"]["scopes"]), rows["healthy"]

        # The walk's cost is measured a tenth of a second a call.
        policies = wait_for(lambda: (p := d.tailctl("policies")["policies"]) and
                            all(row["cost_ns_per_span"] is not None and row["walk_ns_per_span"] is not None
                                for row in p) and p, "the policies' costs to be known")
        for policy in policies:
            assert policy["spans_seen"] == sum(row["spans"] for row in rows.values()), policy
            assert policy["decide_ns_per_trace"] >= 0 and policy["walk_ns_per_span"] >= 0, policy
            if policy["traces_kept"]:
                assert d.tailctl("traces", "why", policy["example_trace_id"])["fate"].startswith("kept"), policy

        text = subprocess.run([TAILCTL, "-s", f"{d.folder}/control.sock", "services"], capture_output=True, text=True,
                              timeout=30).stdout
        print(text)
        assert "lost_context: gateway -> stripped" in text and "no_entry_spans: gateway -> late" in text, text
        assert max(map(len, text.splitlines())) <= 120, text


def under_load_a_part_is_studied_and_nothing_is_made_up():
    with Daemon(lcores=2, wait="1s", extra="services: {wait: 1s, window: 1h, study_rate: 1000}") as d:
        sent = tailgen("--to", f"127.0.0.1:{d.port}", "--rate", 20000, "--duration", "8s", "--seed", 7)
        audit = d.settle()
        assert audit["accepted_spans"] == sent["spans_sent"]
        answer = wait_for(lambda: (a := d.tailctl("services"))["study"]["open_spans"] == 0 and a, "the study to end")
        assert answer["study"]["one_in"] >= 8, answer["study"]
        assert answer["findings"] == [], answer["findings"][:3]
        rows = answer["services"]
        assert sum(row["spans"] for row in rows) == audit["accepted_spans"]
        assert sum(row["kept_spans"] for row in rows) == audit["kept_spans"]
        assert all(row["traces_without_root"] == row["parent_missing_spans"] == 0 for row in rows), rows
        # All but the blind second and what was lost while the share was sought.
        begun = sum(row["traces_begun"] for row in rows)
        traces = d.counter("traces_total")
        assert 0.4 * traces < begun < 1.1 * traces, (begun, traces, answer["study"])


def what_was_not_judged_is_not_clean():
    """That nothing is found is said only where something was looked at."""
    def said():
        return subprocess.run([TAILCTL, "-s", f"{d.folder}/control.sock", "services"], capture_output=True, text=True, timeout=30).stdout

    with Daemon(wait="1s", extra="services: {wait: 500ms, window: 1h, spans_max: 1024}") as d:
        assert "Nothing could be judged yet" in said() and "Nothing found" not in said(), said()
        post(d, [otlp.span(b"a giant of a few", n.to_bytes(8, "big"), parent=b"unseen.." if n > 1 else b"") for n in range(1, 101)])
        wait_for(lambda: d.tailctl("services")["study"]["void_traces"] == 1, "it to be void")
        text = said()
        assert re.search("Nothing could be judged: 1 (have more spans than|may have begun)", text), text
        assert "Nothing found" not in text, text
        ids = itertools.count(1)

        def judged():
            post(d, [otlp.span(next(ids).to_bytes(16, "big"), b"12345678")])
            return d.tailctl("services")["study"]["judged_traces"] >= 1

        wait_for(judged, "one to be judged")
        text = said()
        assert "Nothing found. Studied: all traces" in text and "Void of these: " in text, text


run_story(what_was_not_judged_is_not_clean, services_are_named, under_load_a_part_is_studied_and_nothing_is_made_up)
