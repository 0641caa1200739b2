# SPDX-License-Identifier: Apache-2.0
"""100 connections of 100 streams that each announce 64 MiB, plain, gzip or zstd, and trickle: healthy clients keep
their throughput, the journal reaches as far back as before, and counters say who did it."""
import gzip
import os
import socket
import struct
import threading
import time

from harness import Daemon, run_story, tailgen, wait_for

CONNECTIONS, STREAMS, ANNOUNCED = 100, 100, 64 << 20
JOURNAL = 8 * ANNOUNCED  # the least that takes such a body
PASSES = 8


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header without HPACK's tables."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def request_headers(encoding):
    pairs = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"x"),
             (b":path", b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
             (b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"user-agent", b"trickle")]
    if encoding:
        pairs.append((b"grpc-encoding", encoding))
    return b"".join(literal(*pair) for pair in pairs)


class Trickler(threading.Thread):
    """All the connections: opens every stream, then a few bytes on each stream about once a second."""

    BODIES = {None: b"\x0a\xff\xff\xff\x1f\x0a", b"gzip": gzip.compress(os.urandom(5000)),
              b"zstd": b"\x28\xb5\x2f\xfd\x80\x58" + struct.pack("<I", ANNOUNCED) + bytes(1000)}

    def __init__(self, port):
        super().__init__()
        self.over, self.port, self.begun = threading.Event(), port, threading.Event()
        self.fault = None

    def run(self):
        try:
            self.trickle()
        except Exception as e:  # told by the story's thread
            self.fault = e
        self.begun.set()

    def trickle(self):
        sockets = []
        for i in range(CONNECTIONS):
            encoding = list(self.BODIES)[i % 3]
            s = socket.create_connection(("127.0.0.1", self.port))
            s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + b"".join(
                frame(1, 4, stream, request_headers(encoding)) +
                frame(0, 0, stream, bytes([encoding is not None]) + struct.pack(">I", ANNOUNCED))
                for stream in range(1, 2 * STREAMS, 2)))
            s.setblocking(False)
            sockets.append((s, self.BODIES[encoding]))
        at = 0
        while not self.over.is_set():
            begin = time.monotonic()
            for s, body in sockets:
                piece = body[at % len(body):][:3] or b"\x00"
                try:
                    s.send(b"".join(frame(0, 0, stream, piece) for stream in range(1, 2 * STREAMS, 2)))
                    while s.recv(65536):
                        pass
                except OSError:  # not now, or closed
                    pass
            at += 3
            if at > 3:
                self.begun.set()
            self.over.wait(max(0, 1 - (time.monotonic() - begin)))
        for s, _ in sockets:
            s.close()

    def __enter__(self):
        self.start()
        assert self.begun.wait(60) and not self.fault, self.fault
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def stat(d, name, reason=None):
    return sum(s["value"] for s in d.tailctl("stats")["stats"]
               if s["name"] == name and reason in (None, s["labels"].get("reason")))


def healthy(d, *more):
    """Spans a second of theirs."""
    return tailgen("--to", f"127.0.0.1:{d.port}", "--connections", 2, "--no-retry", *more)["spans_per_s"]


def healthy_clients_do_not_notice():
    with Daemon(journal=f"{JOURNAL >> 20}MiB", wait="1s", extra="http: {request_timeout: 20s}") as d:
        # Reach: at a rate that both can keep up, until the journal has wrapped.
        rate = healthy(d, "--rate", 100000, "--spans", 1550000)
        assert d.counter("journal_bytes_committed_total") > JOURNAL
        reach = stat(d, "tailrace_horizon_seconds")
        with Trickler(d.port):
            rate_beside = healthy(d, "--rate", 100000, "--spans", 1550000)
            reach_beside = stat(d, "tailrace_horizon_seconds") * rate_beside / rate  # as far as it is at the same rate
            staged = stat(d, "tailrace_http_staged_bytes")
            rows = str(d.tailctl("connections"))
        assert reach and abs(reach_beside - reach) < reach / 10, (reach, reach_beside)
        assert staged < 256 << 20, staged
        assert rows.count("trickle") == CONNECTIONS, "tailctl connections does not name them"
        # Throughput, as fast as it goes: without and beside them in turn, since the machine has other things to do.
        pairs = []
        while not pairs or (len(pairs) < PASSES and pairs[-1][1] < 0.9 * pairs[-1][0]):
            alone = healthy(d, "--duration", "2s")
            with Trickler(d.port):
                pairs.append((alone, healthy(d, "--duration", "2s")))
        assert pairs[-1][1] >= 0.9 * pairs[-1][0], pairs
        # Each of their requests ended in a counter, and what it held was given back.
        wait_for(lambda: stat(d, "tailrace_http_staged_bytes") == 0, "what was staged to be given up")
        errors = {reason: stat(d, "tailrace_http_request_errors_total", reason)
                  for reason in ("timeout", "staging_evicted", "staging_full")}
        cancelled = stat(d, "tailrace_http_requests_cancelled_total")
        assert sum(errors.values()) + cancelled == (1 + len(pairs)) * CONNECTIONS * STREAMS, (errors, cancelled)
        d.audit()
        print(f"reach {reach:.1f} s, {reach_beside:.1f} s beside them; spans/s {pairs}; "
              f"{staged >> 10} KiB staged, {errors}, {cancelled} cancelled")


run_story(healthy_clients_do_not_notice)
