# SPDX-License-Identifier: Apache-2.0
"""The thin thread: a curl body in, decided, demoted, a JSON line out."""
import json
import os
import subprocess

import otlp
from harness import Daemon, export, run_story, wait_for
from sink import Sink

BODY = json.dumps({"resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
    "scopeSpans": [{"scope": {"name": "by hand"}, "spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "checkout", "kind": 2,
        "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000",
        "attributes": [{"key": "user.id", "value": {"stringValue": "u-1"}},
                       {"key": "http.route", "value": {"stringValue": "/checkout"}}],
        "status": {"code": 2}}]}]}]})


def an_error_trace_is_kept_and_its_user_id_demoted():
    daemon = Daemon(wait="1s")
    kept = os.path.join(daemon.folder, "kept.jsonl")
    daemon.write_config(backends=f"[{{name: archive, kind: file, path: {kept}}}]")
    with daemon as d:
        done = subprocess.run(["curl", "-sS", "-w", "%{http_code} %{content_type}", "-H", "content-type: application/json",
                               "-d", BODY, f"http://127.0.0.1:{d.port}/v1/traces"], capture_output=True, text=True)
        assert done.stdout == "{}200 application/json", done
        audit = d.settle()
        assert audit["accepted_spans"] == audit["kept_spans"] == 1, audit
        wait_for(lambda: os.path.exists(kept) and os.path.getsize(kept), "the line")
        with open(kept) as f:
            lines = f.readlines()
        assert len(lines) == 1
        span = json.loads(lines[0])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        assert span["traceId"] == "5b8efff798038103d269b633813fc60c"
        assert [a["key"] for a in span["attributes"]] == ["http.route"]
        event = span["events"][0]
        assert event["name"] == "tailrace.demoted"
        assert event["attributes"] == [{"key": "user.id", "value": {"stringValue": "u-1"}}]
        assert event["timeUnixNano"] == "1544712660000000000"


def a_resource_s_attribute_is_demoted_onto_each_of_its_spans():
    with Sink() as sink, Daemon(wait="500ms", rules='[{keys: ["host.ip"], action: demote}, {keys: [secret], action: drop}]',
                                policies="\n    - {name: all, type: always_sample}",
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        export(d.port, [otlp.span(os.urandom(16), os.urandom(8)) for _ in range(3)], "shop",
               [("host.ip", "10.0.0.1"), ("secret", "x"), ("zone", "a")])
        d.settle()
        spans = list(sink.spans())
        assert len(spans) == 3
        for resource, _, span in spans:
            keys = [otlp.first(v, 1) for n, _, v in otlp.fields(resource) if n == 1]
            assert keys == [b"service.name", b"zone"], keys
            event = otlp.first(span, 11)
            assert otlp.first(event, 2) == b"tailrace.demoted"
            assert otlp.first(otlp.first(event, 3), 1) == b"host.ip"
        stats = {str(s["labels"].get("action")): s["value"] for s in d.tailctl("stats", "attributes")["stats"]}
        assert stats["demote"] == 1 and stats["drop"] == 1, stats


run_story(an_error_trace_is_kept_and_its_user_id_demoted, a_resource_s_attribute_is_demoted_onto_each_of_its_spans)
