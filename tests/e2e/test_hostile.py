# SPDX-License-Identifier: Apache-2.0
"""Bad input gets the protocol's own error, is counted, and the next request works."""
import gzip
import json
import os
import socket
import zlib

import otlp
from harness import Daemon, http_get, post, run_story

GOOD = otlp.request([otlp.span(b"\x01" * 16, b"\x02" * 8)])


def status_message(body):
    """Code and message of a google.rpc.Status."""
    return otlp.first(body, 1, 0), otlp.first(body, 2).decode()


def bodies_that_are_wrong():
    with Daemon() as d:
        for body, headers, status in [
                (b"\xff\xff\xff", {}, 400), (GOOD[:-3], {}, 400), (b"{", {"content_type": "application/json"}, 400),
                (b'{"resourceSpans": [{]}', {"content_type": "application/json"}, 400),
                (b"not gzip", {"content_encoding": "gzip"}, 400), (gzip.compress(GOOD)[:-6], {"content_encoding": "gzip"}, 400),
                (GOOD, {"content_encoding": "br"}, 415), (GOOD, {"content_type": "text/plain"}, 415)]:
            code, answer_headers, answer = post(d.port, body, **headers)
            assert code == status, (body[:20], headers, code, answer)
            kind = headers.get("content_type", "application/x-protobuf")
            if kind == "application/json":
                assert json.loads(answer)["message"], answer
                assert answer_headers["content-type"] == "application/json"
            elif kind == "application/x-protobuf":
                assert status_message(answer)[1], answer
            assert post(d.port, GOOD)[0] == 200, "the next request works"
        assert post(d.port, b"")[0] == 200, "an empty request is a success"
        assert post(d.port, GOOD, path="/v1/nothing")[0] == 404
        d.audit()


def a_span_that_is_wrong_is_refused_alone():
    with Daemon() as d:
        good = otlp.span(os.urandom(16), os.urandom(8))
        for bad in [otlp.put(1, b"\x00" * 16) + otlp.put(2, b"\x01" * 8), otlp.put(1, b"\x01" * 16),
                    otlp.span(b"\x01" * 16, b"\x01" * 8) + b"\x4a\x7f"]:
            code, _, answer = post(d.port, otlp.request([good, bad, good]))
            assert code == 200
            partial = otlp.first(answer, 1)
            assert otlp.first(partial, 1) == 1 and otlp.first(partial, 2), answer
        audit = d.audit()
        assert audit["accepted_spans"] == 6 and sum(audit["rejected_spans"].values()) == 3, audit


def bombs_are_bounded():
    with Daemon(journal="64MiB") as d:
        bomb = gzip.compress(b"\x00" * (80 << 20))
        code, _, answer = post(d.port, bomb, content_encoding="gzip")
        assert code == 413, (code, answer)
        code, _, answer = post(d.port, zlib.compress(b"\x00" * (80 << 20)), content_encoding="deflate")
        assert code == 413, (code, answer)
        assert post(d.port, GOOD)[0] == 200


def other_signals_and_pages():
    with Daemon(extra="other_signals: refuse") as d:
        code, _, answer = post(d.port, b"", path="/v1/metrics")
        assert code == 404 and "OTEL_METRICS_EXPORTER=none" in status_message(answer)[1], (code, answer)
        status, page = http_get(d.port, "/")
        assert status == 200 and b"tailrace" in page
        with socket.create_connection(("127.0.0.1", d.port)) as s:
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # a TLS hello
            s.settimeout(10)
            data = s.recv(1000)
            assert data == b"" or data.startswith(b"HTTP/1.1 400"), data
        status, metrics = http_get(d.telemetry, "/metrics")
        assert status == 200 and b"tailrace_refused_requests_total" in metrics


run_story(bodies_that_are_wrong, a_span_that_is_wrong_is_refused_alone, bombs_are_bounded, other_signals_and_pages)
