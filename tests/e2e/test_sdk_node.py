# SPDX-License-Identifier: Apache-2.0
"""The Node SDK, gRPC, http/protobuf and http/json, gzip on and off."""
import sdks
from harness import Daemon, run_story, skip
from sink import Sink


def the_sdk_delivers():
    policies = "\n    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
    with Sink() as sink, Daemon(wait="1s", policies=policies, lcores=2, rules="[]",
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        want, spans = set(), 0
        for protocol in ("grpc", "http", "json"):
            for compression in ("none", "gzip"):
                sent = sdks.node(f"http://127.0.0.1:{d.port}", protocol, compression)
                if not sent:
                    skip("no Node or no packages: run tools/check e2e, which installs them")
                want |= set(sent["errors"])
                spans += sent["spans"]
        audit = d.settle()
        assert audit["accepted_spans"] == spans, (audit, spans)
        assert sink.traces().keys() == want


run_story(the_sdk_delivers)
