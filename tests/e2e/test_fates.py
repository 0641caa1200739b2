# SPDX-License-Identifier: Apache-2.0
"""`traces why`: each fate is told with when, from which peer and service, by which policy, and what backends said."""
import os

import otlp
from harness import Daemon, export, http_get, post, run_story, wait_for
from sink import Sink


def new_id():
    return os.urandom(15) + b"\x01"


def span(trace, **more):
    return otlp.span(trace, os.urandom(7) + b"\x01", **more)


def fate_is(d, trace, fate):
    why = d.tailctl("traces", "why", trace.hex())
    assert why["fate"] == fate or fate in why.get("fates", []), (fate, why)
    return why


def every_fate_is_told():
    with Sink() as sink, Daemon(wait="2s", rules="[]", policies="""
    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}""",
                                backends=f"""
  - {{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}
  - {{name: metrics, kind: otlp_http, endpoint: '{sink.endpoint}', signals: [metrics]}}""") as d:
        kept, dropped, rejected, late, failed = (new_id() for _ in range(5))
        export(d.port, [span(kept, error=True), span(dropped), span(late)], "cart")
        why = fate_is(d, kept, "waiting")
        assert "cart" in str(why) and "127.0.0.1" in str(why), why
        status, _, body = post(d.port, otlp.request([otlp.put(1, rejected) + otlp.put(2, b"short")]))
        assert status == 200 and b"span_id" in body, body
        fate_is(d, rejected, "rejected")
        fate_is(d, new_id(), "never_seen")
        d.settle()
        why = fate_is(d, kept, "kept")
        assert "errors" in str(why) and "cart" in str(why), why
        wait_for(lambda: "delivered" in str(d.tailctl("traces", "why", kept.hex())), "the sink's word")
        assert [b["name"] for b in fate_is(d, kept, "kept")["backends"]] == ["sink"], "the other takes no traces"
        page = http_get(d.telemetry, "/")[1]
        assert b"reachable" in page and b"not used yet" in page, page
        fate_is(d, dropped, "dropped")
        export(d.port, [span(late)], "cart")
        d.settle()
        fate_is(d, late, "late")
        sink.answer = lambda body: (400, {}, otlp.put(1, 3) + otlp.put(2, "no such tenant"))
        export(d.port, [span(failed, error=True)], "cart")
        d.settle()
        why = fate_is(d, failed, "failed")
        assert "no such tenant" in str(why), why


def a_backend_that_began_later_has_not_delivered():
    with Sink() as sink, Daemon(wait="500ms", rules="[]", policies="\n    - {name: all, type: always_sample}",
                                backends=f"[{{name: first, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        before, after = new_id(), new_id()
        export(d.port, [span(before)])
        d.settle()
        d.tailctl("config", "apply", d.write_config(backends=f"""
  - {{name: first, kind: otlp_http, endpoint: '{sink.endpoint}'}}
  - {{name: second, kind: otlp_http, endpoint: '{sink.endpoint}'}}"""))
        export(d.port, [span(after)])
        d.settle()
        told = [{b["name"]: b["delivered_spans"] for b in fate_is(d, i, "kept")["backends"]} for i in (before, after)]
        assert told == [{"first": 1}, {"first": 1, "second": 1}], told


run_story(every_fate_is_told, a_backend_that_began_later_has_not_delivered)
