# SPDX-License-Identifier: Apache-2.0
"""services_shop.py ROLE NAME ENDPOINT [PEER...]: one Flask service under OpenTelemetry's own instrumentations.

Prints its port when it serves; ends with its stdin. Roles:
  gateway  /visit calls / of each PEER (NAME=URL); with the peer "stripped" through a session that loses its headers
  shop     / answers, with a span of its own around the work
  late     the same, but its SDK is set up after the application was made, as the imports of its modules would have it
Exit code 77: an instrumentation is not installed.
"""
import sys
import threading

role, name, endpoint, *peers = sys.argv[1:]
try:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from werkzeug.serving import make_server
    import flask
    import requests
except ImportError as e:
    print(e)
    sys.exit(77)


def sdk_set_up():
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=200))
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument()
    FlaskInstrumentor().instrument()
    return provider


if role == "late":
    app = flask.Flask(name)  # a class that nobody has instrumented yet
    provider = sdk_set_up()
else:
    provider = sdk_set_up()
    app = flask.Flask(name)
tracer = trace.get_tracer(f"{name}.work")


class Stripping(requests.adapters.HTTPAdapter):
    """A proxy in small: it passes on what it knows, and that is no traceparent."""

    def send(self, request, **kwargs):
        request.headers.pop("traceparent", None)
        request.headers.pop("tracestate", None)
        return super().send(request, **kwargs)


session = requests.Session()
for peer, url in (p.split("=") for p in peers):
    if peer.startswith("stripped"):
        session.mount(url, Stripping())


@app.route("/")
def serve():
    with tracer.start_as_current_span("look it up"):
        return "here"


@app.route("/visit")
def visit():
    for peer in peers:
        assert session.get(peer.split("=")[1] + "/").status_code == 200
    return "all"


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
server.serve_forever()
provider.shutdown()
