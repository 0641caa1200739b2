# SPDX-License-Identifier: Apache-2.0
"""The Python SDK, gRPC and http/protobuf, gzip on and off, into tailrace; what is kept arrives at a receiving end."""
import otlp
import sdks
from harness import Daemon, run_story, skip
from sink import Sink


def the_sdk_delivers():
    policies = "\n    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
    with Sink() as sink, Daemon(wait="1s", policies=policies, lcores=2,
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        want, spans = set(), 0
        for protocol in ("grpc", "http"):
            for compression in ("none", "gzip"):
                sent = sdks.python(f"http://127.0.0.1:{d.port}", protocol, compression)
                if not sent:
                    skip("no Python SDK: run tools/check e2e, which installs it")
                want |= set(sent["errors"])
                spans += sent["spans"]
        audit = d.settle()
        assert audit["accepted_spans"] == spans > 0, audit
        traces = sink.traces()
        assert traces.keys() == want
        assert all(len(spans) == 2 for spans in traces.values())
        for spans in traces.values():
            root = next(s for s in spans if not otlp.first(s, 4))
            assert "user.id" not in [otlp.first(a, 1).decode() for n, _, a in otlp.fields(root) if n == 9]
            assert any(otlp.first(e, 2) == b"tailrace.demoted" for n, _, e in otlp.fields(root) if n == 11)


run_story(the_sdk_delivers)
