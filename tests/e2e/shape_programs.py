# SPDX-License-Identifier: Apache-2.0
"""Programs with a fault in their shape and their fixed twins, under OpenTelemetry's own instrumentations.

shape_programs.py server NAME ZONE ENDPOINT            a Flask service; prints its port, ends with its stdin
shape_programs.py client ZONE ENDPOINT NEAR FAR        runs each program in a trace of its own, whose root has its name
Exit code 77: an instrumentation is not installed.
"""
import atexit
import shutil
import socket
import sys
import tempfile
import threading
import time

try:
    import flask
    import requests
    import sqlalchemy
    from opentelemetry import context, trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from sqlalchemy import orm
    from werkzeug.serving import make_server
except ImportError as e:
    print(e)
    sys.exit(77)


def sdk_set_up(name, zone, endpoint):
    provider = TracerProvider(resource=Resource.create({"service.name": name, "cloud.availability_zone": zone}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"), schedule_delay_millis=200))
    trace.set_tracer_provider(provider)
    RequestsInstrumentor().instrument()
    FlaskInstrumentor().instrument()
    return provider


def serve(name, zone, endpoint):
    provider = sdk_set_up(name, zone, endpoint)
    app = flask.Flask(name)
    refused = {}

    @app.route("/ok")
    def ok():
        return "ok"

    @app.route("/slow")
    def slow():
        time.sleep(0.25)
        return "ok"

    @app.route("/flaky/<who>")
    def flaky(who):
        refused[who] = refused.get(who, 0) + 1
        return ("no", 503) if refused[who] <= 3 else "ok"

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()
    provider.shutdown()


class Base(orm.DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    books = orm.relationship("Book")


class Book(Base):
    __tablename__ = "book"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    author = sqlalchemy.Column(sqlalchemy.ForeignKey("author.id"))


def library(**pool):
    """An engine of its own over a file; set up before the instrumentation sees it."""
    folder = tempfile.mkdtemp(prefix="tailrace-shape.")
    atexit.register(shutil.rmtree, folder)
    engine = sqlalchemy.create_engine(f"sqlite:///{folder}/db", connect_args={"check_same_thread": False}, **pool)
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all([Author(id=n, books=[Book(), Book()]) for n in range(1, 16)])
        session.commit()
    return engine


def authors(engine, *options):
    with orm.Session(engine) as session:
        for author in session.scalars(sqlalchemy.select(Author).options(*options)):
            assert len(author.books) == 2


def retry(url, pause):
    while requests.get(url, timeout=10).status_code != 200:
        time.sleep(pause)
        pause *= 2


def workers(engine):
    """50 at once, each with a connection for 30 ms."""
    here = context.get_current()

    def work():
        context.attach(here)
        with engine.connect():
            time.sleep(0.03)

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def slow_lookups(names):
    """A resolver that takes its time for some names; all are this host."""
    ask = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if host in names:
            time.sleep(names[host])
        return ask("127.0.0.1" if host in names else host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def run(zone, endpoint, near, far):
    engines = {"lazy": library(), "small": library(pool_size=5, max_overflow=0), "large": library(pool_size=50)}
    held = [engines["large"].connect() for _ in range(50)]
    for connection in held:
        connection.close()  # 50 are in the pool now
    provider = sdk_set_up("client", zone, endpoint)
    SQLAlchemyInstrumentor().instrument(engines=list(engines.values()))
    slow_lookups({"slow.test": 0.6, "quick.test": 0})
    port = near.rsplit(":", 1)[1]
    programs = {
        "lazy": lambda: authors(engines["lazy"]),
        "lazy fixed": lambda: authors(engines["lazy"], orm.selectinload(Author.books)),
        "retry": lambda: retry(f"{near}/flaky/a", 0),
        "retry fixed": lambda: retry(f"{near}/flaky/b", 0.15),
        "pool": lambda: workers(engines["small"]),
        "pool fixed": lambda: workers(engines["large"]),
        "zones": lambda: requests.get(f"{far}/slow", timeout=10),
        "zones fixed": lambda: requests.get(f"{near}/slow", timeout=10),
        "lookup": lambda: requests.get(f"http://slow.test:{port}/ok", timeout=10),
        "lookup fixed": lambda: requests.get(f"http://quick.test:{port}/ok", timeout=10),
        "gap": lambda: (requests.get(f"{near}/ok", timeout=10), time.sleep(2.2)),
        "gap fixed": lambda: [requests.get(f"{near}/slow", timeout=10) for _ in range(9)],
    }
    tracer = trace.get_tracer("programs")
    for name, program in programs.items():
        with tracer.start_as_current_span(name):
            program()
    provider.shutdown()


if sys.argv[1] == "server":
    serve(*sys.argv[2:])
else:
    run(*sys.argv[2:])
