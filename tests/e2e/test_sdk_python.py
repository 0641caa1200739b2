# SPDX-License-Identifier: Apache-2.0
"""The Python SDK, gRPC and http/protobuf, gzip on and off, into tailrace; what is kept arrives at a receiving end."""
import otlp
from harness import Daemon, run_story, skip
from sink import Sink

try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    import grpc
except ImportError as e:
    skip(f"{e}: run tools/check e2e, which installs it")

TRACES = 50


def send(exporter):
    provider = TracerProvider(resource=Resource.create({"service.name": "python-shop"}))
    provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64))
    tracer = provider.get_tracer("e2e")
    errors = set()
    for i in range(TRACES):
        with tracer.start_as_current_span("checkout") as root:
            root.set_attribute("user.id", f"u-{i}")
            with tracer.start_as_current_span("pay") as child:
                if i % 5 == 0:
                    child.set_status(trace.StatusCode.ERROR)
                    errors.add(format(root.get_span_context().trace_id, "032x"))
    assert provider.force_flush()
    provider.shutdown()
    return errors


def the_sdk_delivers():
    policies = "\n    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
    with Sink() as sink, Daemon(wait="1s", policies=policies, lcores=2,
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        want = set()
        for exporter in [GrpcExporter(endpoint=f"http://127.0.0.1:{d.port}", insecure=True),
                         GrpcExporter(endpoint=f"http://127.0.0.1:{d.port}", insecure=True,
                                      compression=grpc.Compression.Gzip),
                         HttpExporter(endpoint=f"http://127.0.0.1:{d.port}/v1/traces"),
                         HttpExporter(endpoint=f"http://127.0.0.1:{d.port}/v1/traces", compression=Compression.Gzip)]:
            want |= send(exporter)
        audit = d.settle()
        assert audit["accepted_spans"] == 4 * 2 * TRACES, audit
        traces = sink.traces()
        assert traces.keys() == want
        assert all(len(spans) == 2 for spans in traces.values())
        for spans in traces.values():
            root = next(s for s in spans if not otlp.first(s, 4))
            assert "user.id" not in [otlp.first(a, 1).decode() for n, _, a in otlp.fields(root) if n == 9]
            assert any(otlp.first(e, 2) == b"tailrace.demoted" for n, _, e in otlp.fields(root) if n == 11)


run_story(the_sdk_delivers)
