# SPDX-License-Identifier: Apache-2.0
"""Twice what the journal holds for decision_wait, with the backend alive and with it dead: decisions come early, and
nothing else gives way. OVERLOAD_SECONDS says for how long (12), OVERLOAD_JOURNAL with how many MiB (32), OVERLOAD_WAIT
the decision_wait in seconds (6)."""
import datetime
import functools
import json
import os
import threading
import time

import otlp
from harness import Daemon, free_port, post, run_story, tailgen, wait_for
from sink import Sink

try:
    import grpc
except ImportError:
    grpc = None

SECONDS = int(os.environ.get("OVERLOAD_SECONDS", "12"))
JOURNAL = int(os.environ.get("OVERLOAD_JOURNAL", "32")) << 20
WAIT, WAIT_MIN = float(os.environ.get("OVERLOAD_WAIT", "6")), 1.0
RECOVERY = WAIT * 2 / 3  # after the load's end: by then decision_wait is to be back
# A percent of a large journal; what the requests of a backend take, beside a small one.
GROWTH_KIB = 4096


def pss_kib(pid):
    """Without the pages of files: a library's share grows when another process that uses it ends."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def seconds_of(stamp):
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def begin_trace(d):
    """A trace of one span; its id, or None where the daemon said to come back later."""
    trace = os.urandom(16)
    status, headers, _ = post(d.port, otlp.request([otlp.span(trace, os.urandom(7) + b"\x01")], "probe"))
    assert status == 200 or (status == 503 and headers["retry-after"]), (status, headers)
    return trace if status == 200 else None


def waited(d, trace):
    """How long a trace waited for its decision; None as long as it does."""
    why = d.tailctl("traces", "why", trace.hex())
    return why.get("decided") and (seconds_of(why["decided"]) - seconds_of(why["first_seen"]), why["when"])


class Prober(threading.Thread):
    """Begins a trace now and then and asks what became of it; calls health all the while on one connection that pings
    every 10 s."""

    def __init__(self, d):
        super().__init__()
        self.d, self.over, self.waits, self.checks, self.states, self.fault = d, threading.Event(), [], 0, set(), None

    def run(self):
        try:
            if grpc:
                options = [("grpc.keepalive_time_ms", 10000), ("grpc.keepalive_timeout_ms", 5000),
                           ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)]
                with grpc.insecure_channel(f"127.0.0.1:{self.d.port}", options) as channel:
                    channel.subscribe(self.states.add)
                    self.probe(channel.unary_unary("/grpc.health.v1.Health/Check"))
            else:
                self.probe(lambda message, timeout: b"\x08\x01")
        except Exception as e:  # told by the story's thread
            self.fault = e

    def probe(self, check):
        waiting = []
        while not self.over.wait(0.25):
            assert check(b"", timeout=5) == b"\x08\x01"
            self.checks += 1
            waiting.append(begin_trace(self.d))
            while waiting and (not waiting[0] or waited(self.d, waiting[0])):
                trace = waiting.pop(0)
                self.waits += [waited(self.d, trace)] if trace else []

    def stop(self):
        self.over.set()
        self.join()
        if self.fault:
            raise self.fault


def offer(d, rate, seconds, *more):
    return tailgen("--to", f"127.0.0.1:{d.port}", "--rate", rate, "--duration", f"{seconds}s", "--batch", 100,
                   "--connections", 4, *more)


@functools.cache
def rate_of_twice_the_journal():
    """Spans/s, and how many of them get through to a daemon that has room."""
    with Daemon(journal="1GiB", wait=f"{WAIT}s") as d:
        offer(d, 10000, 1)
        stats = {s["name"]: s["value"] for s in d.tailctl("stats", "journal")["stats"]}
        span = stats["tailrace_journal_bytes_committed_total"] / stats["tailrace_journal_spans_committed_total"]
        rate = int(2 * JOURNAL / (span * WAIT))
        return rate, offer(d, rate, 4)["spans_per_s"]


def overload(endpoint, sink=None):
    rate, without = rate_of_twice_the_journal()
    with Daemon(journal=f"{JOURNAL >> 20}MiB", wait=f"{WAIT}s", wait_min=f"{WAIT_MIN}s", rules="[]",
                backends=f"[{{name: only, kind: otlp_http, endpoint: '{endpoint}', batch_size: 512KiB, "
                         "requests_in_flight: 4}]") as d:
        offer(d, rate // 2, 2)  # connections, the backend's buffers, and what else is made at the first use
        truth_file = os.path.join(d.folder, "truth.jsonl")
        before = pss_kib(d.process.pid)
        prober = Prober(d)
        prober.start()
        report = offer(d, rate, SECONDS, "--truth", truth_file, "--seed", 2)
        after = pss_kib(d.process.pid)
        load_end = time.monotonic()
        prober.stop()
        assert abs(after - before) <= max(before / 100, GROWTH_KIB), f"Pss from {before} to {after} KiB"
        assert report["spans_per_s"] >= 0.9 * without, (rate, without, report)
        shortest = min(s for s, _ in prober.waits)
        assert shortest >= WAIT_MIN, prober.waits
        assert "journal" in {when for _, when in prober.waits}, "there was no overload"
        if grpc:
            assert prober.states <= {grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING,
                                     grpc.ChannelConnectivity.READY}, prober.states
        wait_for(lambda: time.monotonic() >= load_end + RECOVERY, "decision_wait to be back", RECOVERY + 5)
        trace = begin_trace(d)
        assert trace, "refused"
        seconds, when = wait_for(lambda: waited(d, trace), "a decision", WAIT + 20)
        assert when == "wait" and seconds >= WAIT, (seconds, when)
        audit = d.audit()
        assert sum(audit["decided_early_spans"].values()) > 0 and not sum(audit["evicted_spans"].values()), audit
        if sink:
            d.settle()
            with open(truth_file) as f:
                errors = {t["id"]: t["spans"] for t in map(json.loads, f) if t["error"]}
            got = sink.traces()
            missing = [i for i, spans in errors.items() if len(got.get(i, [])) != spans]
            assert errors and not missing, f"{len(missing)} of {len(errors)} error traces are not whole"
        else:
            with open(d.config) as f:
                text = f.read()
            with open(d.config, "w") as f:
                f.write(text.replace("drain_timeout: 20s", "drain_timeout: 1s"))
            d.tailctl("config", "apply", d.config)
        print(f"{rate} spans/s for {SECONDS} s: {report['spans_per_s']:.0f} acknowledged ({without:.0f} with room), "
              f"Pss {before} to {after} KiB, waits from {shortest:.1f} s, {prober.checks} health checks")


def with_the_backend_alive():
    with Sink() as sink:
        overload(sink.endpoint, sink)


def with_the_backend_dead():
    overload(f"http://127.0.0.1:{free_port()}")


run_story(with_the_backend_alive, with_the_backend_dead)
