# SPDX-License-Identifier: Apache-2.0
"""A trace of 100,000 spans, and two that never end, cost their own bound and nobody else's: beside them every trace is
decided in its time and kept whole, each span of a kept giant leaves once, and memory does not grow with them."""
import collections
import re
import threading
import time

import otlp
from harness import Daemon, export, run_story, wait_for
from sink import Sink

GIANT = 100_000
SPANS = 5      # of a trace of everybody else's
PACE = 0.02    # s, of a body of each stream and of everybody else's traces
STREAM = 100   # spans a body
WAIT = 1       # s
SECONDS = 2
SLACK = 20     # s that a slow machine may add to decision_wait
POLICIES = """
    - {name: wanted, type: string_attribute, string_attribute: {key: wanted, values: ["yes"]}}
    - {name: failed, type: status_code, status_code: {status_codes: [ERROR]}}"""
# Of the spans made here: trace id, and span id by number.
SEEN = re.compile(rb"\x0a\x10([a-z]{6}\d{10})\x12\x08(\d{8})")


def trace_id(name, number=0):
    return f"{name}{number:010}".encode()


def spans_of(trace, numbers, **more):
    """Spans of a trace by number; made from one, as encoding each takes long."""
    head, tail = otlp.span(trace, b"(number)", parent=b"its root", **more).split(b"(number)")
    return [head + b"%08d" % n + tail for n in numbers]


class Sent:
    """What was sent: spans by trace, and when a trace of everybody else's was."""

    def __init__(self):
        self.spans = collections.Counter()
        self.at = {}


def send_giant(daemon, sent, trace, spans=GIANT, body=2000):
    for begin in range(0, spans, body):
        export(daemon.port, spans_of(trace, range(begin, begin + body), attributes=[("wanted", "yes")]))
        sent.spans[trace] += body


def send_stream(daemon, sent, trace, stop, **more):
    """A trace that never ends, for as long as this is told to go on."""
    while not stop.wait(PACE):
        export(daemon.port, spans_of(trace, range(sent.spans[trace], sent.spans[trace] + STREAM), **more))
        sent.spans[trace] += STREAM


def send_others(daemon, sent, stop):
    """Everybody else: a kept trace and a dropped one every so often."""
    number = 0
    while not stop.wait(PACE):
        for name, attributes in (("wanted", [("wanted", "yes")]), ("others", [])):
            trace = trace_id(name, number)
            export(daemon.port, spans_of(trace, range(SPANS), attributes=attributes))
            sent.spans[trace] = SPANS
            sent.at[trace] = time.monotonic()
        number += 1


def started(*jobs):
    """Threads that run the jobs; what one of them raises is raised by finish()."""
    raised = []

    def run(job):
        try:
            job[0](*job[1:])
        except BaseException as e:
            raised.append(e)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()

    def finish():
        for thread in threads:
            thread.join()
        for e in raised:
            raise e
    return finish


def timed(sink):
    """Note when each body came."""
    times = []

    def answer(_):
        times.append(time.monotonic())
        return 200, {}, b""
    sink.answer = answer
    return times


def came(sink):
    """{trace: Counter of its spans' numbers} and {trace: index of the body with its last}."""
    spans, last = {}, {}
    for index, (_, _, body) in enumerate(sink.bodies):
        for trace, number in SEEN.findall(body):
            spans.setdefault(trace, collections.Counter())[number] += 1
            last[trace] = index
    return spans, last


def whole(spans, sent, trace):
    assert len(spans[trace]) == sum(spans[trace].values()) == sent.spans[trace], (
        trace, len(spans[trace]), sum(spans[trace].values()), sent.spans[trace])


def beside_giants(lcores):
    with Sink() as sink, Daemon(wait=f"{WAIT}s", wait_min=f"{WAIT}s", lcores=lcores, rules="[]", journal="128MiB",
                                policies=POLICIES, backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        times, sent, stop = timed(sink), Sent(), threading.Event()
        send_giant(d, sent, trace_id("before"))  # touches the memory that giants take
        d.settle()
        memory = d.memory()
        finish = started((send_giant, d, sent, trace_id("giants")),
                         (send_stream, d, sent, trace_id("stream"), stop),
                         (send_others, d, sent, stop))
        kept = started((lambda: send_stream(d, sent, trace_id("forevr"), stop, attributes=[("wanted", "yes")]),))
        stop.wait(SECONDS)
        wait_for(lambda: sent.spans[trace_id("giants")] == GIANT, "the giant to be sent", 60)
        stop.set()
        finish()
        kept()
        audit = d.settle()
        grown = d.memory() - memory
        spans, last = came(sink)
    for giant in ("before", "giants", "forevr"):
        whole(spans, sent, trace_id(giant))
    others = [trace for trace in sent.at if trace.startswith(b"wanted")]
    for trace in others:
        whole(spans, sent, trace)
    assert set(spans) == {trace_id("before"), trace_id("giants"), trace_id("forevr"), *others}, len(spans)
    total, left = sum(sent.spans.values()), sum(sum(numbers.values()) for numbers in spans.values())
    assert audit["accepted_spans"] == total and audit["kept_spans"] == left, audit
    assert sum(audit["dropped_spans"].values()) == total - left and not sum(audit["evicted_spans"].values()), audit
    assert not sum(audit["decided_early_spans"].values()), audit
    delay = max(times[last[trace]] - sent.at[trace] for trace in others)
    assert delay < WAIT + SLACK, delay
    assert grown < 8 << 10, grown
    print(f"{lcores} lcores: {left} spans of {len(others) + 3} traces kept, {total - left} of {total} dropped; a small trace was "
          f"there at most {delay:.2f} s after it was sent; {grown} KiB grown")


def on_one_lcore():
    beside_giants(1)


def on_two_lcores():
    beside_giants(2)


def one_beyond_the_bound_is_decided_at_it():
    """4 MiB of journal are 4096 spans of a trace. What comes later follows; the failure that it ends with reopens the
    dropped one, of which the last spans are known."""
    with Sink() as sink, Daemon(wait="600s", wait_min="600s", rules="[]", journal="4MiB", policies=POLICIES,
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        sent = Sent()
        kept, dropped = trace_id("giants"), trace_id("failed")
        send_giant(d, sent, kept, 20_000, 1000)
        for begin in range(0, 20_000, 1000):
            export(d.port, spans_of(dropped, range(begin, begin + 1000)))
        export(d.port, spans_of(dropped, [20_000], error=True))
        audit = d.settle()
        spans, _ = came(sink)
        lost = d.counter("emit_spans_lost_total", reason="reopened")
        why = d.tailctl("traces", "why", dropped.hex())
    whole(spans, sent, kept)
    found = len(spans[dropped])
    assert b"00020000" in spans[dropped] and 1 <= found == sum(spans[dropped].values()) <= 4096, found
    assert audit["decided_early_spans"]["size"] >= 8192, audit
    assert audit["reopened_spans"] == found + lost and found + lost + audit["reopened_gone_spans"] == 20_001, (found, lost, audit)
    assert sum(audit["dropped_spans"].values()) == 20_001 - found - lost, audit
    assert why["reopened"], why
    print(f"20,000 spans kept whole, decided at 4096; of 20,001 dropped ones the last {found} reopened")


run_story(on_one_lcore, on_two_lcores, one_beyond_the_bound_is_decided_at_it)
