# SPDX-License-Identifier: Apache-2.0
"""A bad wire: frames are lost, doubled, reordered, delayed, spoilt or cut between Linux's TCP and tailrace's. Every span
arrives as it was sent, and with one frame in a hundred lost it is no slower than half of Linux to Linux.

The same seeds for every pair of hosts. FAULTS_LONG=1: every fault at every rate.
"""
import hashlib
import json
import os

import netns
from harness import run_story
from sink import Sink
from wires import KEEP_ALL, Wire

LONG = "FAULTS_LONG" in os.environ
FAULTS = ["drop", "duplicate", "reorder", "delay", "corrupt", "truncate"]
RATES = [0.1, 1, 5, 20] if LONG else [5]
SPANS = 4000  # some 1,200 frames
SECONDS = 20 if LONG else 3
TRIES = 3
LINE = {"latency": 2, "rate": 1000, "queue": 1000, "seconds": 240}
SPOILT = ["short", "ip4_header", "ip4_checksum", "tcp_header", "tcp_checksum"]  # why a stack drops such a frame
PAIRS = {  # the client's TCP and the server's
    "Linux to Linux": ("kernel", "kernel"),
    "Linux to ours": ("kernel", "af_packet"),
    "ours to Linux": ("af_packet", "kernel"),
}


def whole(pair, faults, protocol="grpc", v6=False, spans=SPANS):
    """Send spans through the relay; what arrives at the far end's backend is what was sent, each span byte for byte."""
    client, server = PAIRS[pair]
    with Wire(server, client=client, relay=LINE | faults) as wire:
        with wire.server:
            sink = Sink()
        with sink, wire.daemon(policies=KEEP_ALL, rules="[]", wait="300ms",
                               backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
            truth_file = os.path.join(d.folder, "truth.jsonl")
            report = wire.tailgen("--protocol", protocol, "--connections", 4, "--batch", 50, "--spans", spans, "--seed", 7,
                                  "--unknown-fields", 1, "--truth", truth_file, "--truth-hash", v6=v6)
            audit = d.settle()
            assert report["spans_failed"] == 0 and audit["accepted_spans"] == report["spans_acknowledged"], (report, audit)
            with open(truth_file) as f:
                want = sorted(h for t in map(json.loads, f) for h in t["hashes"])
            got = sorted(hashlib.sha256(span).hexdigest() for _, _, span in sink.spans())
            assert got == want, f"{len(got)} spans of {len(want)}, or other ones"
            spoilt = sum(d.counter("net_drops_total", reason=r) for r in SPOILT) if server != "kernel" else None
            struck = wire.relay_report()
            for fault in faults:
                if fault in FAULTS:
                    assert struck["left"][fault] > 0, struck
            return report, struck, spoilt


def every_span_arrives_whole():
    for fault in FAULTS:
        for rate in RATES:
            for pair in PAIRS if LONG else list(PAIRS)[1:]:
                report, struck, spoilt = whole(pair, {fault: rate, "seed": 1}, spans=SPANS if rate >= 1 else 4 * SPANS)
                print(f"{fault} {rate} %, {pair}: {report['seconds']:.1f} s, {struck['left']['frames']} frames, "
                      f"{struck['left'][fault]} struck", flush=True)


def what_is_spoilt_is_dropped_and_counted():
    for fault in "corrupt", "truncate":
        _, struck, spoilt = whole("Linux to ours", {fault: 5, "seed": 3})
        print(f"{fault}: {struck['left'][fault]} of {struck['left']['frames']} frames, {spoilt} dropped for it")
        assert struck["left"][fault] - 3 <= spoilt <= struck["left"][fault]  # but for a few that are not TCP's
    whole("Linux to ours", {"corrupt": 5, "seed": 3}, protocol="http", v6=True)


def everything_at_once():
    _, struck, _ = whole("Linux to ours", {fault: 2 for fault in FAULTS} | {"seed": 4}, v6=True)
    print(f"{struck['left']}")


def throughput(pair):
    """Spans a second over a line of 1 Gbit/s and 10 ms there and back that loses one frame in a hundred."""
    client, server = PAIRS[pair]
    with Wire(server, client=client, relay={"latency": 5, "rate": 1000, "drop": 1, "seed": 2, "seconds": 60}) as wire, \
            wire.daemon() as d:
        for namespace in wire.client, wire.server:
            namespace.sysctl("ipv4/tcp_congestion_control", "reno")  # BBR, some kernels' default, ignores losses
        report = wire.tailgen("--connections", 16, "--streams", 16, "--duration", f"{SECONDS}s")
        audit = d.audit()
        assert report["spans_failed"] == 0 and audit["accepted_spans"] == report["spans_acknowledged"], (report, audit)
        return report["spans_per_s"]


def a_lossy_line_is_as_fast_as_between_linux_hosts():
    linux, *ours = PAIRS
    for pair in ours:
        for _ in range(TRIES):  # each beside the other: the machine may have other things to do
            rate, between_linux = throughput(pair), throughput(linux)
            print(f"1 % lost: {pair} {rate:.0f} spans/s, {linux} {between_linux:.0f}: {rate / between_linux:.2f}")
            if rate >= between_linux / 2:
                break
        else:
            raise AssertionError(f"{pair} is not half as fast in any of {TRIES} tries")


netns.try_namespaces()
run_story(every_span_arrives_whole, what_is_spoilt_is_dropped_and_counted, everything_at_once,
          a_lossy_line_is_as_fast_as_between_linux_hosts)
