# SPDX-License-Identifier: Apache-2.0
"""Limits in the whole daemon: what spends a budget keeps no more than it says, on several lcores together, and tells who was
turned away; with a config applied in between, under journal pressure, and at the end."""
import subprocess
import time

import otlp
from harness import TAILRACED, Daemon, export, post, run_story
from sink import Sink

RATE = 200
LIMIT = f"type: rate_limiting, rate_limiting: {{spans_per_second: {RATE}, burst_capacity: {RATE}}}"


def trace(number):
    """A trace of one to five spans."""
    trace_id = (number + 1).to_bytes(4, "big") * 4
    return [otlp.span(trace_id, (number * 8 + i + 1).to_bytes(8, "big")) for i in range(1 + number % 5)]


def send(daemon, numbers):
    spans = [span for n in numbers for span in trace(n)]
    export(daemon.port, spans)
    return len(spans)


def send_for(daemon, seconds, first):
    """Some 1,500 spans a second. Returns how many, and the next trace's number."""
    spans, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        spans += send(daemon, range(first, first + 50))
        first += 50
        time.sleep(0.1)
    return spans, first


def options(sink, policies, **more):
    return {"lcores": 4, "wait": "1s", "policies": policies, "rules": "[]",
            "backends": f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]"} | more


def kept_spans(sink):
    return sum(len(spans) for spans in sink.traces().values())


def whole(sink):
    """Every trace came whole or not at all."""
    for trace_id, spans in sink.traces().items():
        assert len(spans) == 1 + (int(trace_id[:8], 16) - 1) % 5, trace_id


def ticks(daemon):
    return daemon.counter("budget_ticks_total")


def a_limit_holds_for_all_lcores_together():
    with Sink() as sink, Daemon(**options(sink, f"\n    - {{name: limit, {LIMIT}}}")) as daemon:
        begin = time.monotonic()
        sent, _ = send_for(daemon, 4, 0)
        audit = daemon.settle()
        elapsed = time.monotonic() - begin
        kept = kept_spans(sink)
        assert audit["held_spans"] == 0 and audit["kept_spans"] == kept
        # A full bucket at first, then the rate: at least three whole ticks of it, and no more than time allows.
        assert 3 * RATE * 0.95 <= kept <= RATE * (elapsed + 1), (kept, elapsed)
        whole(sink)
        row = daemon.tailctl("policies")["policies"][0]
        assert row["spans_kept"] == kept and row["spans_limited"] == sent - kept, row
        assert row["traces_kept"] + row["traces_limited"] == row["traces_seen"], row
        assert daemon.counter("policy_spans_limited_total", policy="limit") == sent - kept
        assert daemon.counter("budget_refused_total", reason="spent") == row["traces_limited"]
        assert daemon.counter("budget_ticks_total", when="tick") >= 3
        settled = ticks(daemon)
        time.sleep(1.5)  # nobody wakes for a tick in which nothing was asked
        assert ticks(daemon) == settled
        print(f"{kept} of {sent} spans in {elapsed:.1f} s")


def a_config_in_between_opens_no_second_budget():
    with Sink() as sink, Daemon(**options(sink, f"\n    - {{name: limit, {LIMIT}}}")) as daemon:
        begin, first, sent = time.monotonic(), 0, 0
        for n in range(6):
            spans, first = send_for(daemon, 0.5, first)
            sent += spans
            daemon.write_config(policies=f"\n    - {{name: other{n}, type: status_code, status_code: {{status_codes: [ERROR]}}}}"
                                         f"\n    - {{name: limit, {LIMIT}}}")
            daemon.tailctl("config", "apply", daemon.config)
        daemon.settle()
        elapsed = time.monotonic() - begin
        assert kept_spans(sink) <= RATE * (elapsed + 1), (kept_spans(sink), elapsed)
        assert kept_spans(sink) >= 2 * RATE * 0.95
        whole(sink)


def shares_of_a_composite():
    policies = f"""
    - name: c
      type: composite
      composite:
        max_total_spans_per_second: {RATE}
        policy_order: [large, all]
        composite_sub_policy:
          - {{name: large, type: span_count, span_count: {{min_spans: 5}}}}
          - {{name: all, type: always_sample}}
        rate_allocation: [{{policy: large, percent: 75}}, {{policy: all, percent: 25}}]"""
    with Sink() as sink, Daemon(**options(sink, policies)) as daemon:
        begin = time.monotonic()
        send_for(daemon, 4, 0)
        daemon.settle()
        elapsed = time.monotonic() - begin
        large = sum(len(s) for s in sink.traces().values() if len(s) == 5)
        kept = kept_spans(sink)
        assert 3 * RATE * 0.95 <= kept <= RATE * (elapsed + 1), kept
        # In three whole ticks each has its share. In the first and the last, which may have little, what large does not need
        # is lent: the rest may have more than a quarter.
        assert large >= 3 * 0.75 * RATE * 0.95 and kept - large >= 3 * 0.25 * RATE * 0.95, (large, kept)
        assert large / kept <= 0.80, (large, kept)
        print(f"{large} of {kept} spans of large traces")


def a_check_in_the_running_daemon_says_what_one_before_says():
    more = "\n    - {name: gap, type: gap, gap: {threshold_ms: 1}}" \
           "\n    - {name: keys, type: ema_dynamic, ema_dynamic: {field_list: [service.name], max_keys: 1000}}"
    with Daemon(policies=f"\n    - {{name: limit, {LIMIT}}}{more}") as daemon:
        before = subprocess.run([TAILRACED, "-c", daemon.config, "--check"], capture_output=True, text=True, check=True).stdout
        remarks = daemon.tailctl("config", "check", daemon.config)["remarks"]
        assert "with their shape" in before and "limits:" in before and "MiB for 1 dynamic one" in before, before
        assert remarks == before.splitlines()[1:], (remarks, before)


def a_short_journal_ends_ticks_early():
    # A journal of 4 MiB, written some times over while traces wait for their tick.
    padding = "x" * 20000
    with Sink() as sink, Daemon(**options(sink, f"\n    - {{name: limit, {LIMIT}}}", lcores=2, journal="4MiB",
                                          wait="300ms", wait_min="100ms")) as daemon:
        begin, number = time.monotonic(), 0
        while time.monotonic() < begin + 4:
            spans = [otlp.span((number + i + 1).to_bytes(4, "big") * 4, (number + i + 1).to_bytes(8, "big"),
                               attributes=[("padding", padding)]) for i in range(20)]
            number += 20
            status, _, _ = post(daemon.port, otlp.request(spans))
            assert status in (200, 503), status
            if status == 503:
                time.sleep(0.02)
        daemon.settle()
        elapsed = time.monotonic() - begin
        assert daemon.counter("budget_ticks_total", when="early") > 0
        assert RATE <= kept_spans(sink) <= RATE * (elapsed + 1)
        assert daemon.counter("emit_spans_lost_total") == 0
        print(f"{daemon.counter('budget_ticks_total', when='early')} early ticks, {kept_spans(sink)} of {number} spans")


def a_drain_decides_what_is_parked():
    with Sink() as sink, Daemon(**options(sink, f"\n    - {{name: limit, {LIMIT}}}", wait="30s")) as daemon:
        sent = send(daemon, range(400))
        begin = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begin < 15
        assert RATE * 0.95 <= kept_spans(sink) <= RATE, kept_spans(sink)
        assert sent > 4 * RATE
        assert "evicted_spans=0" in daemon.read_log()


run_story(a_limit_holds_for_all_lcores_together, a_config_in_between_opens_no_second_budget, shares_of_a_composite,
          a_check_in_the_running_daemon_says_what_one_before_says, a_short_journal_ends_ticks_early,
          a_drain_decides_what_is_parked)
