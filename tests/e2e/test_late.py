# SPDX-License-Identifier: Apache-2.0
"""Roots that end one to six decision_waits after their first span, slow only by the root: with a journal of eight waits
all traces are kept whole; with one of one, root and remainder, and the rest is counted. The same before a Collector, if one
is there: `tests/differential/collector/regenerate` builds it."""
import collections
import heapq
import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time
import types

import otlp
from harness import DIES_WITH_US, Daemon, export, free_port, run_story, wait_for
from sink import Sink

sys.path.insert(0, os.path.join(os.environ.get("TAILRACE_SOURCE", "."), "perf/compare.d"))
import peers  # noqa: E402

WAIT = 1.0  # s
SPANS = 6   # a trace, the root among them
PAD = 2000  # bytes of a name
JOURNAL = 4 << 20
IN_TIME = b"in time and slow"  # an id


def parts(trace, late):
    """A trace's children, and its root."""
    children = [otlp.span(trace, os.urandom(7) + b"\x01", name="c" * PAD, parent=b"rootroot") for _ in range(SPANS - 1)]
    return children, otlp.span(trace, b"rootroot", name="r" * PAD, duration=int(late * 1e9) or 1_000_000)


def send(daemon, waits_of_journal, seconds, seed):
    """Traffic that wraps the journal every so many waits; 5 % of the traces have late roots. Returns their ids."""
    rate = JOURNAL * 7 / 8 / (waits_of_journal * WAIT) / (SPANS * (PAD + 90))  # traces/s
    draw, due, late_ids, number = random.Random(seed), [], set(), 0
    begin = time.monotonic()
    while (now := time.monotonic() - begin) < seconds or due:
        bodies = []
        while number < rate * min(now, seconds):
            trace = draw.randbytes(15) + b"\x01"
            late = number % 20 == 0 and WAIT * draw.uniform(1.5, 6)
            children, root = parts(trace, late)
            bodies += children
            number += 1
            if late:
                late_ids.add(trace)
                heapq.heappush(due, (now + late, root))
            else:
                bodies.append(root)
        while due and due[0][0] <= now:
            bodies.append(heapq.heappop(due)[1])
        if bodies:
            export(daemon.port, bodies)
        time.sleep(0.02)  # the pace of the traffic
    return late_ids


def run(waits_of_journal, seconds):
    with Sink() as sink, Daemon(wait="1s", rules="[]", journal="4MiB", policies="""
    - {name: slow, type: latency, latency: {threshold_ms: 1200}}""",
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        late = send(d, waits_of_journal, seconds, 7)
        audit = d.settle()
        came = {}
        for _, headers, body in sink.bodies:
            for _, _, span in otlp.spans(body):
                came.setdefault(otlp.first(span, 1), []).append(span)
        why = d.tailctl("traces", "why", next(iter(late)).hex())
    assert set(came) == late, (len(came), len(late), len(late - set(came)))
    marked = sum(b"tailrace.reopened" in span for spans in came.values() for span in spans)
    assert marked == sum(map(len, came.values()))
    return late, came, audit, why


def a_journal_of_eight_waits_keeps_them_whole():
    late, came, audit, why = run(8, 16)
    short = {trace.hex(): len(spans) for trace, spans in came.items() if len(spans) != SPANS}
    assert not short, (len(short), len(late), audit)
    assert audit["reopened_spans"] == SPANS * len(late) and audit["gone_spans"] == audit["reopened_gone_spans"] == 0, audit
    assert why["reopened"] and "reopened by a span that came late" in why["explanation"], why
    print(f"{len(late)} traces with late roots, all {SPANS * len(late)} spans of them kept")


def a_journal_of_one_wait_keeps_root_and_remainder():
    late, came, audit, _ = run(1, 8)
    kept = sum(map(len, came.values()))
    assert all(any(otlp.first(span, 2) == b"rootroot" for span in spans) for spans in came.values())
    assert kept + audit["gone_spans"] + audit["reopened_gone_spans"] == SPANS * len(late), (kept, audit)
    assert kept < SPANS * len(late), audit
    print(f"{len(late)} traces with late roots: {kept} of {SPANS * len(late)} spans kept, the rest counted as gone")


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def what_a_collector_keeps(collector, cache, seconds):
    """Traces with late roots; how many it kept whole, how many in part; and spans of theirs."""
    with tempfile.TemporaryDirectory() as folder:
        port, out = free_port(), pathlib.Path(folder, "kept.jsonl")
        config = {"receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
                  "processors": {"tail_sampling": {"decision_wait": "1s", "decision_cache": cache, "policies": [
                      {"name": "slow", "type": "latency", "latency": {"threshold_ms": 1200}}]}},
                  "exporters": {"file": {"path": str(out)}},
                  "service": {"telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
                              "pipelines": {"traces": {"receivers": ["otlp"], "processors": ["tail_sampling"],
                                                       "exporters": ["file"]}}}}
        pathlib.Path(folder, "config.yaml").write_text(json.dumps(config))
        process = subprocess.Popen([*DIES_WITH_US, collector, "--config", f"{folder}/config.yaml"])
        try:
            wait_for(lambda: process.poll() is not None or answers(port), "the Collector to listen")
            children, root = parts(IN_TIME, 2)
            export(port, [*children, root])
            late = send(types.SimpleNamespace(port=port), 8, seconds, 7)
        finally:
            process.terminate()  # it decides on what it has
            assert process.wait(30) == 0
        came = collections.Counter()
        for line in out.read_text().splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                came.update(s["traceId"] for scope in resource["scopeSpans"] for s in scope["spans"])
        assert came[IN_TIME.hex()] == SPANS, came
        kept = [came[trace.hex()] for trace in late]
        return len(late), kept.count(SPANS), sum(0 < n < SPANS for n in kept), sum(kept)


def a_collector_loses_them():
    try:
        collector = peers.oracle(False)
    except peers.Missing as e:
        print(f"{e}: not shown")
        return
    for cache in ({}, {"sampled_cache_size": 100000, "non_sampled_cache_size": 100000}):
        late, whole, part, spans = what_a_collector_keeps(collector, cache, 6)
        assert whole < late, (whole, late)
        print(f"a Collector {'with' if cache else 'without'} a decision_cache: of {late} traces with late roots {whole} whole, "
              f"{part} in part, {spans} of {SPANS * late} spans")


run_story(a_journal_of_eight_waits_keeps_them_whole, a_journal_of_one_wait_keeps_root_and_remainder, a_collector_loses_them)
