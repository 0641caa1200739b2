# SPDX-License-Identifier: Apache-2.0
"""Backends: a dead one delays no other and loses only what its counters say; retries, partial success, a late start."""
import time

import otlp
from harness import Daemon, free_port, run_story, tailgen, wait_for
from sink import Sink

ALL = "\n    - {name: all, type: always_sample}"


def backend(audit, name):
    return next(b for b in audit["backends"] if b["name"] == name)


def a_dead_backend_delays_no_other():
    with Sink() as sink, Daemon(policies=ALL, wait="1s", rules="[]", backends=f"""
  - {{name: alive, kind: otlp_http, endpoint: '{sink.endpoint}'}}
  - {{name: dead, kind: otlp_http, endpoint: 'http://127.0.0.1:{free_port()}'}}""") as d:
        report = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 20000, "--batch", 100, "--rate", 20000)
        spans = report["spans_acknowledged"]
        audit = wait_for(lambda: (a := d.audit()) and backend(a, "alive")["delivered_spans"] == spans and a,
                         "the living backend to have all", 30)
        assert backend(audit, "dead")["delivered_spans"] == 0
        assert backend(audit, "dead")["queued_spans"] == spans
        assert sum(1 for _ in sink.spans()) == spans
        # what the end may take is not the subject here: let it go at once
        d.options["extra"] = ""
        with open(d.config) as f:
            text = f.read()
        with open(d.config, "w") as f:
            f.write(text.replace("drain_timeout: 20s", "drain_timeout: 1s"))
        d.tailctl("config", "apply", d.config)


def a_backend_that_comes_up_late_gets_everything():
    port = free_port()
    with Daemon(policies=ALL, wait="500ms", rules="[]", backends=f"""
  - {{name: late, kind: otlp_http, endpoint: 'http://127.0.0.1:{port}'}}""") as d:
        report = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 5000, "--batch", 100)
        spans = report["spans_acknowledged"]
        wait_for(lambda: backend(d.audit(), "late")["queued_spans"] == spans, "all to be queued")
        with Sink(port) as sink:
            wait_for(lambda: backend(d.audit(), "late")["delivered_spans"] == spans, "all to be delivered", 60)
            assert len({otlp.first(s, 1) + otlp.first(s, 2) for _, _, s in sink.spans()}) == spans


def retries_and_partial_success_are_counted():
    with Sink() as sink, Daemon(policies=ALL, wait="500ms", rules="[]", backends=f"""
  - {{name: moody, kind: otlp_http, endpoint: '{sink.endpoint}'}}""") as d:
        answers = []

        def answer(body):
            answers.append(time.monotonic())
            if len(answers) == 1:
                return 503, {"Retry-After": "1"}, b""
            return 200, {}, otlp.put(1, otlp.put(1, 3) + otlp.put(2, "three were odd")) if len(answers) == 2 else b""
        sink.answer = answer
        report = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 100, "--batch", 100, "--connections", 1)
        audit = wait_for(lambda: (a := d.audit()) and backend(a, "moody")["delivered_spans"] ==
                         report["spans_acknowledged"] - 3 and a, "three to be rejected, the rest delivered")
        assert backend(audit, "moody")["rejected_spans"] == 3
        assert answers[1] - answers[0] >= 0.9, "Retry-After was not honoured"
        rows = d.tailctl("backends")
        assert "three were odd" in str(rows), rows


run_story(a_dead_backend_delays_no_other, a_backend_that_comes_up_late_gets_everything,
          retries_and_partial_success_are_counted)
