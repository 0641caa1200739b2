# SPDX-License-Identifier: Apache-2.0
"""sdk_client.py ENDPOINT grpc|http none|gzip: sends 50 traces of 2 spans with the Python SDK, every fifth with an error,
and prints what it sent. Exit code 77: the SDK is not installed."""
import json
import sys

try:
    import grpc
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ImportError as e:
    print(e)
    sys.exit(77)

endpoint, protocol, compression = sys.argv[1:]
TRACES = 50
if protocol == "grpc":
    exporter = GrpcExporter(endpoint=endpoint, insecure=True, compression=grpc.Compression.Gzip if compression == "gzip"
                            else grpc.Compression.NoCompression)
else:
    exporter = HttpExporter(endpoint=f"{endpoint}/v1/traces", compression=Compression.Gzip if compression == "gzip"
                            else Compression.NoCompression)
provider = TracerProvider(resource=Resource.create({"service.name": "python-shop"}))
provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=64))
tracer = provider.get_tracer("e2e")
errors = []
for i in range(TRACES):
    with tracer.start_as_current_span("checkout") as root:
        root.set_attribute("user.id", f"u-{i}")
        with tracer.start_as_current_span("pay") as child:
            if i % 5 == 0:
                child.set_status(trace.StatusCode.ERROR)
                errors.append(format(root.get_span_context().trace_id, "032x"))
assert provider.force_flush()
provider.shutdown()
print(json.dumps({"spans": 2 * TRACES, "errors": errors}))
