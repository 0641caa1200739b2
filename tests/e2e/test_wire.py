# SPDX-License-Identifier: Apache-2.0
"""Real clients on Linux's TCP against tailrace on a wire of its own, over each kind of port, IPv4 and IPv6: the SDKs,
curl with a large body, two thousand connections at once, a hundred thousand short ones, small and large frames; and
nothing on the wire that tshark finds wrong.

WIRE_KINDS=kernel,af_packet: over those. WIRE_LONG=1: the hundred thousand over each kind, not over both together.
"""
import contextlib
import hashlib
import os
import random
import shutil
import sys
import time

import netns
import otlp
import sdks
from capture import Capture
from harness import run_story, tailgen, wait_for
from sink import Sink
from wires import CLIENT_MORE, KEEP_ALL, SOURCES, Wire, forbidden

KINDS = os.environ.get("WIRE_KINDS", "af_xdp,tap").split(",")
CHURN = os.environ.get("CHURN", "build/tests/e2e/churn")
SHORT = 25000 if "WIRE_LONG" in os.environ else 12500  # connections, closed in each of four ways


def over(kinds):
    """Run story(kind) over the kinds that the kernel allows; say which it does not."""
    def decorate(story):
        def over_all():
            for kind in kinds:
                why_not = forbidden(kind)
                if why_not:
                    print(f"skipped: {why_not}")
                    continue
                begin = time.monotonic()
                story(kind)
                print(f"  {kind} ({time.monotonic() - begin:.1f} s)", flush=True)
        over_all.__name__ = story.__name__
        return over_all
    return decorate


def frame_sizes(kind):
    """(MTU, IPv6) pairs; DPDK's net_tap sends no more than 1500."""
    return [(1500, False), (1500 if kind == "tap" else 9000, True)]


def sink_and_daemon(wire, **options):
    with wire.server:
        sink = Sink()
    return sink, wire.daemon(backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]", rules="[]",
                             **({"policies": KEEP_ALL, "wait": "300ms"} | options))


@over(KINDS)
def sdks_deliver(kind):
    with Wire(kind) as wire:
        sink, daemon = sink_and_daemon(wire)
        with sink, daemon as d:
            spans = 0
            for language, protocols in (sdks.python, ("grpc", "http")), (sdks.node, ("grpc", "http", "json")):
                for protocol in protocols:
                    for v6 in (False, True):
                        sent = language(f"http://{wire.to(v6)}", protocol, "gzip" if v6 else "none", place=wire.client)
                        if sent:
                            spans += sent["spans"]
                        else:
                            print(f"skipped: no {language.__name__} SDK")
            audit = d.settle()
            assert audit["accepted_spans"] == spans == len(list(sink.spans())), (audit, spans)


def large_body(bytes_):
    """An export request of about that many bytes, and its spans' hashes."""
    rng = random.Random(4)
    spans = [otlp.span(rng.randbytes(16), rng.randbytes(8), attributes=[("note", rng.randbytes(8000).hex())])
             for _ in range(bytes_ // 16100)]
    return otlp.request(spans), sorted(hashlib.sha256(s).hexdigest() for s in spans)


@over(KINDS)
def curl_uploads_sixty_mebibytes(kind):
    body, want = large_body(60 << 20)
    for mtu, v6 in frame_sizes(kind):
        with Wire(kind, mtu=mtu) as wire:
            sink, daemon = sink_and_daemon(wire, journal="512MiB", outbox="256MiB")
            with sink, daemon as d:
                path = os.path.join(d.folder, "body")
                with open(path, "wb") as f:
                    f.write(body)
                done = wire.client.run("curl", "-sS", "--max-time", 60, "-H", "Content-Type: application/x-protobuf",
                                       "-H", "Expect:", "--data-binary", f"@{path}", "-o", os.path.join(d.folder, "answer"),
                                       "-w", "%{http_code} %{speed_upload}", f"http://{wire.to(v6)}/v1/traces")
                status, speed = done.split()
                assert status == "200", done
                d.settle()
                got = sorted(hashlib.sha256(span).hexdigest() for _, _, span in sink.spans())
                assert got == want, f"{len(got)} spans of {len(want)}, or other ones"
                print(f"  mtu {mtu}: {float(speed) / 1e6:.0f} MB/s")


@over(KINDS)
def two_thousand_connections_at_once(kind):
    with Wire(kind) as wire, wire.daemon() as d:
        before = d.memory()
        report = tailgen("--to", wire.to(), "--connections", 2000, "--streams", 1, "--batch", 20, "--rate", 40000,
                         "--duration", "3s", place=wire.client)
        audit = d.settle()
        assert report["spans_failed"] == 0 and audit["accepted_spans"] == report["spans_acknowledged"] > 0, (report, audit)
        assert report["requests"] >= 2000
        wait_for(lambda: d.tailctl("connections")["total"] == 0, "the connections to be gone")
        print(f"  {report['spans_per_s']:.0f} spans/s, p99 {report['p99_ms']} ms, memory {before} to {d.memory()} KiB")


@over(KINDS)
def short_connections_leave_nothing(kind):
    with Wire(kind, port="tcp: {time_wait: 2s}") as wire, wire.daemon() as d:
        netns.address(wire.client, wire.client_name, *CLIENT_MORE)

        def churn(count, close):
            done = wire.client.run(CHURN, "--to", wire.to(), "--count", count, "--concurrency", 64, "--close", close,
                                   "--from", f"{CLIENT_MORE[0].split('/')[0]}:0", "--sources", SOURCES, timeout=300)
            return done.strip()

        churn(3000, "mix")  # what is taken once and kept
        before = d.memory()
        for close in ("server", "client", "abort", "mix"):
            print(" ", close, churn(SHORT, close))
        wait_for(lambda: d.tailctl("connections")["total"] == 0, "the connections to be gone")
        if kind != "kernel":
            for state in ("open", "half_open", "time_wait"):
                wait_for(lambda: d.counter("tcp_connections", state=state) == 0, f"no connection to be {state}")
        assert d.memory() < before + 4096, (before, d.memory())
        assert d.audit()["accepted_spans"] == 0


@over(sorted({*KINDS, "af_packet"}))  # where the kernel shows the frames at both ends
def tshark_finds_nothing_wrong(kind):
    if not shutil.which("tshark"):
        print("skipped: no tshark")
        return
    for mtu, v6 in frame_sizes(kind):
        with Wire(kind, mtu=mtu, offload=False) as wire, wire.daemon() as d:
            for namespace in wire.client, wire.server:
                namespace.sysctl("ipv4/tcp_early_retrans", 0)  # no probes after two round trips: those are of microseconds
            ends = [Capture(wire.client, wire.client_name)]
            if kind in ("kernel", "af_packet"):
                ends.append(Capture(wire.server, wire.server_name))
            with contextlib.ExitStack() as capturing:
                for end in ends:
                    capturing.enter_context(end)
                for protocol in ("grpc", "http"):
                    tailgen("--to", wire.to(v6), "--protocol", protocol, "--connections", 8, "--rate", 20000, "--spans", 10000,
                            place=wire.client)
                wire.client.run(CHURN, "--to", wire.to(v6), "--count", 300, "--close", "mix")
            d.audit()
            for end in ends:
                frames, verified = end.check()
                assert verified > 300 * 5, (frames, verified)
                print(f"  mtu {mtu}: {frames} frames, {verified} checksums right")
                end.close()


STORIES = [sdks_deliver, curl_uploads_sixty_mebibytes, two_thousand_connections_at_once, short_connections_leave_nothing,
           tshark_finds_nothing_wrong]
netns.try_namespaces()
run_story(*(s for s in STORIES if s.__name__ in sys.argv[1:] or len(sys.argv) == 1))
