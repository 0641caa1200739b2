# SPDX-License-Identifier: Apache-2.0
"""The thin thread: a curl body in, decided, demoted, a JSON line out."""
import json
import os
import subprocess

from harness import Daemon, run_story, wait_for

BODY = json.dumps({"resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
    "scopeSpans": [{"scope": {"name": "by hand"}, "spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "checkout", "kind": 2,
        "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000",
        "attributes": [{"key": "user.id", "value": {"stringValue": "u-1"}},
                       {"key": "http.route", "value": {"stringValue": "/checkout"}}],
        "status": {"code": 2}}]}]}]})


def an_error_trace_is_kept_and_its_user_id_demoted():
    with Daemon(wait="1s", backends="[{name: archive, kind: file, path: %s/kept.jsonl}]" % os.environ.get("TMPDIR", "/tmp")) as d:
        kept = "%s/kept.jsonl" % os.environ.get("TMPDIR", "/tmp")
        done = subprocess.run(["curl", "-sS", "-w", "%{http_code} %{content_type}", "-H", "content-type: application/json",
                               "-d", BODY, f"http://127.0.0.1:{d.port}/v1/traces"], capture_output=True, text=True)
        assert done.stdout == "{}200 application/json", done
        audit = d.settle()
        assert audit["accepted_spans"] == audit["kept_spans"] == 1, audit
        wait_for(lambda: os.path.exists(kept) and os.path.getsize(kept), "the line")
        with open(kept) as f:
            lines = f.readlines()
        os.unlink(kept)
        assert len(lines) == 1
        span = json.loads(lines[0])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        assert span["traceId"] == "5b8efff798038103d269b633813fc60c"
        assert [a["key"] for a in span["attributes"]] == ["http.route"]
        event = span["events"][0]
        assert event["name"] == "tailrace.demoted"
        assert event["attributes"] == [{"key": "user.id", "value": {"stringValue": "u-1"}}]
        assert event["timeUnixNano"] == "1544712660000000000"


run_story(an_error_trace_is_kept_and_its_user_id_demoted)
