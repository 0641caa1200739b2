# SPDX-License-Identifier: Apache-2.0
"""Options of the Collector's block that other stories do not touch, through the whole daemon: ottl_condition,
decision_cache, block_on_overflow."""

import otlp
from harness import Daemon, export, post, run_story, wait_for
from sink import Sink

NOTHING = """
    - {name: nothing, type: string_attribute, string_attribute: {key: never, values: [there]}}"""


def trace_id(n):
    return b"\x00" * 7 + b"\x01" + n.to_bytes(8, "big")


def span(n, number=1, **more):
    return otlp.span(trace_id(n), number.to_bytes(8, "big"), **more)


def event(span_, name):
    return span_ + otlp.put(11, otlp.put(2, name))


def conditions_decide():
    """Each condition by a trace that has what it wants and one that almost has; the halves of an `and` in two spans of one
    trace are not one span."""
    spans = [
        (1, True, [span(1, attributes=[("http.route", "/pay"), ("http.response.status_code", 503)])], "shop"),
        (2, False, [span(2, attributes=[("http.route", "/pay"), ("http.response.status_code", 499)])], "shop"),
        (3, False, [span(3, 1, attributes=[("http.route", "/pay")]),
                    span(3, 2, attributes=[("http.response.status_code", 503)])], "shop"),
        (4, True, [span(4, name="GET /a")], "vip"),
        (5, False, [span(5, name="GET /a", parent=b"parent01")], "vip"),
        (6, True, [event(span(6), "exception")], "shop"),
        (7, False, [event(span(7), "log")], "shop"),
        (8, True, [span(8, duration=900_000_000)], "shop"),
        (9, False, [span(9, duration=400_000_000)], "shop"),
        (10, False, [span(10, attributes=[("size", "no number")])], "shop"),
    ]
    for lcores in (1, 4):
        with Sink() as sink, Daemon(
                lcores=lcores, wait="1s", wait_min="100ms", rules="[]", policies="""
    - name: conditions
      type: ottl_condition
      ottl_condition:
        error_mode: ignore
        span:
          - attributes["http.response.status_code"] >= 500 and attributes["http.route"] == "/pay"
          - IsRootSpan() and resource.attributes["service.name"] == "vip"
          - end_time - start_time > Duration("500ms")
          - Substring(attributes["size"], 100, 1) == "x"
        spanevent: ['name == "exception"']""",
                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
            for _, _, each, service in spans:
                for one in each:
                    export(d.port, [one], service)
            d.settle()
            kept = set(sink.traces())
            assert kept == {trace_id(n).hex() for n, keep, _, _ in spans if keep}, (lcores, kept)


def decisions_are_remembered_as_long_as_the_cache_is_large():
    """Of 65,536 decisions that an lcore remembers at least the first is forgotten after 100,000 more, and its late span
    begins a trace; with a decision_cache of 250,000, and by default, the late span follows what is remembered in brief."""
    small, large = ("\n  decision_cache: {sampled_cache_size: %d, non_sampled_cache_size: %d}" % sizes
                    for sizes in ((1000, 1000), (50000, 200000)))
    for cache, is_late in ((small, False), (large, True), ("", True)):
        with Daemon(wait="300ms", wait_min="100ms", rules="[]", policies=NOTHING + cache) as d:
            export(d.port, [span(1)])
            d.settle()
            for begin in range(2, 100002, 5000):
                export(d.port, [span(n) for n in range(begin, begin + 5000)])
            d.settle()
            export(d.port, [span(1, 2)])
            audit = d.settle()
            assert audit["accepted_spans"] == 100002 and audit["dropped_spans"] == {"no_policy": 100002}, audit
            why = d.tailctl("traces", "why", trace_id(1).hex())
            assert (why["in_brief"], why["spans"]) == ((True, 0) if is_late else (False, 1)), (cache, why)
            assert d.counter("late_spans_total", verdict="dropped") == is_late, cache


def a_full_store_refuses_and_decides_nothing_early():
    """With block_on_overflow requests are refused, with a time to come again, until what is held was decided in its time;
    without, the oldest are decided early."""
    filler = "x" * 1000
    for blocks in (True, False):
        option = "\n  block_on_overflow: true" if blocks else ""
        with Daemon(journal="4MiB", wait="4s", wait_min="4s" if blocks else "100ms", rules="[]",
                    policies=NOTHING + option) as d:
            refused = accepted = 0
            for request in range(80):
                first = request * 100 + 1
                body = otlp.request([span(n, attributes=[("filler", filler)]) for n in range(first, first + 100)])
                if not blocks: # refused at most until what is held is decision_wait_min old
                    wait_for(lambda: post(d.port, body)[0] == 200, "room that early decisions make", 20)
                    accepted += 100
                    continue
                status, headers, _ = post(d.port, body)
                assert status in (200, 503), status
                accepted += 100 * (status == 200)
                refused += status == 503
                assert status == 200 or int(headers["retry-after"]) >= 1, headers
            assert refused or not blocks, accepted
            early = sum(d.audit()["decided_early_spans"].values())
            assert (early == 0) if blocks else early > 0, (blocks, early)
            last = otlp.request([span(100_000_000)])
            wait_for(lambda: post(d.port, last)[0] == 200, "room after what is held was decided", 20)
            audit = d.settle()
            assert not sum(audit["evicted_spans"].values()), audit
            assert not blocks or not sum(audit["decided_early_spans"].values()), audit
            assert audit["accepted_spans"] == accepted + 1, (audit["accepted_spans"], accepted)


run_story(conditions_decide, decisions_are_remembered_as_long_as_the_cache_is_large,
          a_full_store_refuses_and_decides_nothing_early)
