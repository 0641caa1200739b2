# SPDX-License-Identifier: Apache-2.0
"""Two boxes behind a real Collector whose load-balancing exporter sends each trace to one of them: conf/scale-out-*.yaml,
docs/scaling-out.md. What they keep together is the truth; what a kill -9 of one loses, and what it does not."""
import collections
import json
import os
import signal
import threading

from collector import Balancer, binary
from harness import Daemon, run_story, skip, tailgen, wait_for
from test_exactness import is_kept

# As in conf/scale-out-tailrace.yaml: longer than the longest pause between two tries of the Collector (5 s, and half as much
# again by chance), so that a trace whose spans waited there is whole when it is decided.
WAIT = "10s"


class Box(Daemon):
    """A daemon that writes what it keeps to a file in its folder."""

    def __init__(self, **options):
        super().__init__(**({"wait": WAIT, "rules": "[]"} | options))
        self.kept = os.path.join(self.folder, "kept.jsonl")
        self.write_config(backends=f"[{{name: archive, kind: file, path: {self.kept}}}]")

    def address(self):
        return f"127.0.0.1:{self.port}"

    def traces(self):
        """Trace id to its spans' ids."""
        found = collections.defaultdict(list)
        with open(self.kept) as f:
            for line in f:
                for resource in json.loads(line)["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        for span in scope["spans"]:
                            found[span["traceId"]].append(span["spanId"])
        return found

    def accepted(self):
        return self.audit()["accepted_spans"]


def send(collector, folder, seed, spans):
    """Load on many connections, each trace's spans spread over requests: (report, truth by trace id)."""
    path = os.path.join(folder, f"truth.{seed}")
    report = tailgen("--to", f"127.0.0.1:{collector.port}", "--connections", 16, "--batch", 50, "--rate", 20000,
                     "--spans", spans, "--seed", seed, "--shuffle", "--truth", path)
    assert report["spans_failed"] == 0 and report["spans_acknowledged"] == report["spans_sent"], report
    with open(path) as f:
        return report, {t["id"]: t for t in map(json.loads, f)}


def union(a, b):
    """What both kept; no trace at both, none there with a span twice."""
    at_a, at_b = a.traces(), b.traces()
    assert not at_a.keys() & at_b.keys(), "a trace is at both boxes"
    both = at_a | at_b
    assert all(len(set(spans)) == len(spans) for spans in both.values()), "a span came twice"
    return both


def check_exact(truth, got):
    """Of these traces, those were kept that should be, whole."""
    want = {i for i, t in truth.items() if is_kept(t)}
    have = truth.keys() & got.keys()
    assert have == want, f"{len(want - have)} missing, {len(have - want)} superfluous"
    assert all(len(got[i]) == truth[i]["spans"] for i in want), "a trace is not whole"
    return want


def together_they_keep_the_truth():
    with Box(lcores=2) as a, Box() as b, Balancer([a.address(), b.address()]) as collector:
        report, truth = send(collector, a.folder, 7, 60000)
        wait_for(lambda: a.accepted() + b.accepted() == report["spans_sent"], "all spans at the boxes")
        shares = [d.settle()["accepted_spans"] for d in (a, b)]
        assert min(shares) > 0.3 * sum(shares), shares
        want = check_exact(truth, union(a, b))
        print(f"  {shares} spans, {len(a.traces())} + {len(b.traces())} = {len(want)} of {len(truth)} traces kept")


def one_is_killed_and_comes_back():
    with Box() as a, Box() as b, Balancer([a.address(), b.address()]) as collector:
        report, before = send(collector, a.folder, 11, 20000)
        wait_for(lambda: a.accepted() + b.accepted() == report["spans_sent"], "all spans at the boxes")
        for d in a, b:
            d.settle()
        first = a.accepted()

        report, waiting = send(collector, a.folder, 12, 20000)
        wait_for(lambda: a.accepted() + b.accepted() == first + b.accepted() + report["spans_sent"] - b.audit()["held_spans"],
                 "all spans at the boxes")
        audit = b.audit()
        lost = audit["held_spans"]
        assert lost > 0 and a.accepted() - first + lost == report["spans_sent"], (audit, report)
        b.stop(signal.SIGKILL)

        second = a.accepted()
        report, meanwhile = send(collector, a.folder, 13, 40000)  # all acknowledged: the Collector has a queue for b
        wait_for(lambda: 'Exporting failed. Will retry' in collector.read_log(), "the Collector to notice")
        at_a = sum(t["spans"] for t in meanwhile.values())
        assert 0 < a.accepted() - second < at_a, "a's part does not wait for b"

        b.start()
        wait_for(lambda: a.accepted() - second + b.accepted() == report["spans_sent"], "what waited for b", 60)
        for d in a, b:
            d.settle()
        got = union(a, b)
        kept = len(check_exact(before, got)) + len(check_exact(meanwhile, got))
        missing = {i for i, t in waiting.items() if is_kept(t)} - got.keys()
        check_exact({i: t for i, t in waiting.items() if i not in missing}, got)
        spans = sum(waiting[i]["spans"] for i in missing)
        assert missing and spans < lost, (spans, lost)
        # The Collector has no counter of its queues for the boxes: all was sent when it was put there.
        assert collector.metric("exporter_sent_spans") == sum(
            t["spans"] for truth in (before, waiting, meanwhile) for t in truth.values())
        assert collector.metric("loadbalancer_backend_outcome", success="false") == 0
        print(f"  {lost} spans held at the kill -9 are lost, {spans} of {len(missing)} traces that would have been kept; "
              f"the other {kept} traces are whole")


def one_is_restarted_in_order():
    keep_all = "\n    - {name: all, type: always_sample}"
    # Every trace is kept, whenever its spans come: no need to wait for them.
    with Box(policies=keep_all, wait="1s") as a, Box(policies=keep_all, wait="1s") as b, Balancer([a.address(), b.address()]) as collector:
        results = []
        load = threading.Thread(target=lambda: results.append(send(collector, a.folder, 21, 60000)))
        load.start()
        wait_for(lambda: b.accepted() > 5000, "load at b")
        assert b.stop(signal.SIGTERM) == 0, b.read_log()[-2000:]
        first = sum(map(len, b.traces().values()))
        b.start()
        load.join(60)
        report, truth = results[0]
        # gRPC in Go sends a PING for each of 2,000 answers.
        assert a.counter("http_connections_closed_total", reason="flood") == 0
        wait_for(lambda: a.accepted() + b.accepted() + first >= report["spans_sent"], "what waited for b", 60)
        want = {i: t["spans"] for i, t in truth.items()}

        def all_there():
            found = {d: d.traces() for d in (a, b)}
            assert not found[a].keys() & found[b].keys(), "a trace is at both boxes"
            both = found[a] | found[b]
            return both if {i: len(set(spans)) for i, spans in both.items()} == want else None
        got = wait_for(all_there, "every span to be kept")
        for d in a, b:
            d.settle()
        # A request that was under way may come again: OTLP delivers at least once.
        twice = sum(len(spans) - len(set(spans)) for spans in got.values())
        assert twice <= 0.01 * report["spans_sent"], twice
        print(f"  {first} spans delivered by the stop, {b.accepted()} after it, none lost, {twice} twice")


if __name__ == "__main__":
    if not binary()[0]:
        skip(f"no Collector: {binary()[1]}")
    run_story(together_they_keep_the_truth, one_is_killed_and_comes_back, one_is_restarted_in_order)
