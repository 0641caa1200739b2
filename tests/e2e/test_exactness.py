# SPDX-License-Identifier: Apache-2.0
"""Exactness: what four lcores keep of shuffled traces spread over connections is what the truth says, span by span.
And each has its part of few connections."""
import collections
import contextlib
import hashlib
import json
import os
import re
import socket

from harness import Daemon, free_port, run_story, tailgen, wait_for
from sink import Sink

MASK = 2**64 - 1
WAIT = "5s"  # a trace's spans are spread over a pass of tailgen's, which takes most of a second, and more on a slow machine
SPANS = int(os.environ.get("EXACTNESS_SPANS", "60000"))


def baseline_keeps(trace_id, percent):
    """The Collector's probabilistic policy with its default salt."""
    h = 0xCBF29CE484222325
    for byte in b"default-hash-seed" + trace_id:
        h = (h ^ byte) * 0x100000001B3 & MASK
    return h <= MASK * percent // 100


def is_kept(trace):
    return trace["error"] or trace["duration_ns"] // 1_000_000 > 1000 or \
        baseline_keeps(bytes.fromhex(trace["id"]), 10)


def check(protocol, compression, lcores):
    with Sink() as sink, Daemon(
            lcores=lcores, wait=WAIT, rules="[]",
            backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        truth_file = os.path.join(d.folder, "truth.jsonl")
        report = tailgen("--to", f"127.0.0.1:{d.port}", "--protocol", protocol, "--compression", compression,
                         "--connections", 8, "--batch", 100, "--rate", 60000, "--spans", SPANS, "--seed", 7,
                         "--shuffle", "--unknown-fields", 1, "--truth", truth_file, "--truth-hash")
        audit = d.settle()
        assert audit["accepted_spans"] == report["spans_acknowledged"] >= SPANS * 0.99, (report, audit)
        assert not sum(audit["evicted_spans"].values()), audit
        with open(truth_file) as f:
            truth = {t["id"]: t for t in map(json.loads, f)}
        want = {i for i, t in truth.items() if is_kept(t)}
        got = sink.traces()
        assert got.keys() == want, f"{len(want - got.keys())} missing, {len(got.keys() - want)} superfluous"
        for i, spans in got.items():
            assert len(spans) == truth[i]["spans"], f"{i}: {len(spans)} of {truth[i]['spans']} spans"
            hashes = sorted(hashlib.sha256(s).hexdigest() for s in spans)
            assert hashes == sorted(truth[i]["hashes"]), f"{i}: the bytes of a span changed"
        print(f"{protocol}/{compression}: {report['spans_acknowledged']} spans, {len(want)} of {len(truth)} traces kept")


def grpc_on_four_lcores():
    check("grpc", "none", 4)


def http_gzip_on_four_lcores():
    check("http", "gzip", 4)


def grpc_zstd_on_one_lcore():
    check("grpc", "zstd", 1)


def few_connections_lie_evenly():
    two = "\n  ".join(f'- {{name: port{n}, kind: kernel, listen: ["127.0.0.1:{free_port()}"]}}' for n in range(2))
    for lcores in 2, 4:
        with Daemon(lcores=lcores, ports=two) as d, contextlib.ExitStack() as clients:
            ports = re.findall(r"127.0.0.1:([0-9]+)\"\]", two)
            for n in range(8):
                clients.enter_context(socket.create_connection(("127.0.0.1", int(ports[n % 2]))))
            rows = wait_for(lambda: (c := d.tailctl("connections"))["total"] == 8 and c["connections"], "8 connections")
            spread = collections.Counter(row["lcore"] for row in rows)
            assert len(spread) == lcores and set(spread.values()) == {8 // lcores}, spread


if __name__ == "__main__":
    run_story(few_connections_lie_evenly, grpc_on_four_lcores, http_gzip_on_four_lcores, grpc_zstd_on_one_lcore)
