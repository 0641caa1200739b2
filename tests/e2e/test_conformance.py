# SPDX-License-Identifier: Apache-2.0
"""What the OTLP specification asks of a server (opentelemetry-proto, docs/specification.md), each over the wire; and
HTTP/2 as a whole by h2spec, where H2SPEC or the path has it."""
import base64
import concurrent.futures
import gzip
import json
import os
import shutil
import struct
import subprocess
import time
import zlib

import otlp
from harness import Daemon, post, run_story, skip, wait_for
from sink import Sink

try:
    import grpc
except ImportError:
    skip("no grpcio")

ALL = "\n    - {name: all, type: always_sample}"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
BODY_MAX = 1 << 20
RESOURCE_EXHAUSTED, UNAVAILABLE = 8, 14


def some_span(**more):
    return otlp.span(os.urandom(15) + b"\x01", os.urandom(7) + b"\x01", **more)


def good():
    return otlp.request([some_span()])


def send(d, body, content_type=PROTOBUF, encoding=None):
    body = body.encode() if isinstance(body, str) else body
    return post(d.port, body, content_type=content_type, **({"content_encoding": encoding} if encoding else {}))


def call(d, body, compression=None):
    """(code, answer or message, status details) of a gRPC Export."""
    with grpc.insecure_channel(f"127.0.0.1:{d.port}") as channel:
        try:
            return 0, channel.unary_unary(EXPORT)(body, timeout=20, compression=compression), b""
        except grpc.RpcError as e:
            details = dict(e.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
            return e.code().value[0], e.details(), details


def retry_delays(status):
    """Of the google.rpc.RetryInfo in a google.rpc.Status."""
    return [otlp.first(v, 2) for n, _, v in otlp.fields(status) if n == 3 and b"RetryInfo" in otlp.first(v, 1)]


def compression_none_and_gzip_and_more():
    with Daemon() as d:
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate):
            assert call(d, good(), compression) == (0, b"", b"")
        raw = zlib.compressobj(wbits=-15)
        for encoding, body in ((None, good()), ("gzip", gzip.compress(good())), ("deflate", zlib.compress(good())),
                               ("deflate", raw.compress(good()) + raw.flush())):
            status, headers, answer = send(d, body, encoding=encoding)
            assert (status, headers["content-type"], answer) == (200, PROTOBUF, b""), (encoding, status, answer)
        assert d.audit()["accepted_spans"] == 7


def a_size_limit_before_and_after_decompression():
    with Daemon(extra=f"http: {{body_size_max: {BODY_MAX}}}") as d:
        large = otlp.request([some_span(attributes=[("x", "y" * BODY_MAX)])])
        for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
            code, _, details = call(d, large, compression)
            assert code == RESOURCE_EXHAUSTED and not retry_delays(details), "a client would send it again"
        for encoding, body in ((None, large), ("gzip", gzip.compress(large))):
            status, headers, answer = send(d, body, encoding=encoding)
            assert status == 413 and "retry-after" not in headers and otlp.first(answer, 2), (encoding, status)
        assert call(d, good())[0] == 0 and send(d, good())[0] == 200


def success_leaves_partial_success_unset():
    with Daemon() as d:
        for body in (good(), b"", otlp.put(1, b""), otlp.request([])):  # an empty request is one, and empty envelopes
            assert call(d, body) == (0, b"", b"")
            assert send(d, body)[::2] == (200, b"")
        for body in (b"{}", b'{"resourceSpans": []}', b'{"resourceSpans": [{"scopeSpans": [{}]}]}'):
            status, headers, answer = send(d, body, JSON)
            assert (status, headers["content-type"], answer) == (200, JSON, b"{}"), answer


def what_is_rejected_is_told():
    with Daemon() as d:
        body = otlp.request([some_span(), some_span(), otlp.put(1, bytes(16)) + otlp.put(2, b"x" * 8)])
        for answer in (call(d, body)[1], send(d, body)[2]):
            partial = otlp.first(answer, 1)
            assert otlp.first(partial, 1) == 1 and otlp.first(partial, 2), answer
        span = {"traceId": "00" * 16, "spanId": "01" * 8}
        answer = json.loads(send(d, json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}), JSON)[2])
        assert int(answer["partialSuccess"]["rejectedSpans"]) == 1 and answer["partialSuccess"]["errorMessage"]
        for trace, span in ((b"x" * 15, b"y" * 8), (b"x" * 17, b"y" * 8), (b"", b"y" * 8), (b"x" * 16, b"y" * 7),
                            (b"x" * 16, bytes(8)), (b"x" * 16, b"")):
            answer = send(d, otlp.request([otlp.put(1, trace) + otlp.put(2, span)]))[2]
            assert otlp.first(otlp.first(answer, 1), 1) == 1, (trace, span)


def errors_are_a_status_in_the_request_s_content_type():
    with Daemon() as d:
        status, headers, answer = send(d, b"\xff")
        assert (status, headers["content-type"]) == (400, PROTOBUF) and otlp.first(answer, 1) == 3 and otlp.first(answer, 2)
        status, headers, answer = send(d, b"{", JSON)
        assert (status, headers["content-type"]) == (400, JSON) and json.loads(answer)["code"] == 3
        code, message, details = call(d, b"\xff")
        assert code == 3 and "byte 0" in message and not retry_delays(details), (code, message)


def overload_says_when_to_come_back():
    with Daemon(journal="4MiB", wait="60s", wait_min="60s") as d:
        # A journal full of what may not be decided yet.
        body = otlp.request([some_span(attributes=[("x", "y" * 1000)]) for _ in range(100)])
        wait_for(lambda: send(d, body)[0] == 503, "the journal to be full", 20)
        status, headers, answer = send(d, body)
        assert status == 503 and int(headers["retry-after"]) >= 1 and otlp.first(answer, 1) == UNAVAILABLE
        code, _, details = call(d, body)
        assert code == UNAVAILABLE and otlp.first(details, 1) == UNAVAILABLE and retry_delays(details), details
        d.write_config(wait_min="0s")
        with open(d.config) as f:
            text = f.read()
        with open(d.config, "w") as f:
            f.write(text.replace("decision_wait: 60s", "decision_wait: 1s"))
        d.tailctl("config", "apply", d.config)


def json_by_its_mapping():
    span = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", "name": "x", "kind": 2,
            "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1544712661000000000,
            "attributes": [{"key": "n", "value": {"intValue": "42"}}, {"key": "m", "value": {"intValue": 43}},
                           {"key": "b", "value": {"bytesValue": base64.b64encode(b"\x00\xff").decode()}}],
            "nobodyKnows": {"this": [1, 2, {}]}, "trace_state": "not lowerCamelCase: an unknown field"}

    def body(**more):
        return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span | more]}]}], "new": 1})
    with Sink() as sink, Daemon(wait="200ms", rules="[]", policies=ALL,
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        assert send(d, body(), JSON)[0] == 200
        assert send(d, body(), JSON + "; charset=utf-8")[0] == 200
        assert send(d, body(traceId="W47/95gDgQPSabYzgT/GDA=="), JSON)[0] == 400, "ids are hex, not base64"
        assert send(d, body(kind="server"), JSON)[0] == 400, "enums are numbers (their protobuf names are let through)"
        d.settle()
        _, _, sent = next(sink.spans())
        assert otlp.first(sent, 1).hex() == span["traceId"].lower() and otlp.first(sent, 2).hex() == span["spanId"]
        assert otlp.first(sent, 3) == b"" and otlp.first(sent, 6) == 2
        assert struct.unpack("<QQ", otlp.first(sent, 7) + otlp.first(sent, 8)) == (1544712660 * 10**9, 1544712661 * 10**9)
        values = {otlp.first(v, 1): otlp.first(v, 2) for n, _, v in otlp.fields(sent) if n == 9}
        assert values == {b"n": otlp.put(3, 42), b"m": otlp.put(3, 43), b"b": otlp.put(7, b"\x00\xff")}, values


def what_nobody_knows_yet_is_passed_on():
    flags = otlp.put_varint(16 << 3 | 5) + struct.pack("<I", 0x80000D01)  # bits 10 to 31 too
    # string_value_strindex 8 and key_strindex 3 of a later common.proto, and a field of no version.
    span = some_span(error=True) + flags + otlp.put(9, otlp.put(3, 7) + otlp.put(2, otlp.put(8, 5))) + otlp.put(1000, "new")
    with Sink() as sink, Daemon(wait="200ms", rules="[{keys: [other], action: drop}]",
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        assert call(d, otlp.request([span]))[0] == 0
        d.settle()
        assert [s for _, _, s in sink.spans()] == [span]


def requests_are_answered_each_by_itself():
    with Daemon() as d, grpc.insecure_channel(f"127.0.0.1:{d.port}") as channel, \
            concurrent.futures.ThreadPoolExecutor(32) as pool:
        export = channel.unary_unary(EXPORT)
        answers = list(pool.map(lambda body: export(body, timeout=20), [good() for _ in range(500)]))
        assert answers == [b""] * 500
        assert d.audit()["accepted_spans"] == 500


def every_address_takes_every_protocol():
    with Daemon() as d:
        assert call(d, good())[0] == 0 and send(d, good())[0] == 200 and send(d, b"{}", JSON)[0] == 200
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", "-H",
                               f"content-type: {JSON}", "-d", "{}", f"http://127.0.0.1:{d.port}/v1/traces"],
                              capture_output=True, text=True)
        assert done.stdout == "{}2 200", done


def browsers_may_send_from_allowed_origins():
    with Daemon(extra='http: {cors_origins: ["https://shop.example.com"]}') as d:
        def ask(method, origin, version):
            done = subprocess.run(["curl", "-sS", "-i", version, "-X", method, "-H", f"origin: {origin}", "-H",
                                   f"content-type: {JSON}", "-H", "access-control-request-method: POST"] +
                                  (["-d", "{}"] if method == "POST" else []) +
                                  [f"http://127.0.0.1:{d.port}/v1/traces"], capture_output=True, text=True, timeout=20)
            head = done.stdout.lower().split("\r\n\r\n")[0]
            return int(head.split()[1]), dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        for version in ("--http1.1", "--http2-prior-knowledge"):
            status, headers = ask("OPTIONS", "https://shop.example.com", version)
            assert status == 204 and "post" in headers["access-control-allow-methods"], (version, headers)
            assert "content-type" in headers["access-control-allow-headers"]
            status, headers = ask("POST", "https://shop.example.com", version)
            assert status == 200 and headers["access-control-allow-origin"] == "https://shop.example.com", headers
            status, headers = ask("POST", "https://evil.example.com", version)
            assert "access-control-allow-origin" not in headers, headers


def metrics_and_logs_pass_through_untouched():
    body = otlp.put(1, otlp.put(1, otlp.attribute(1, "service.name", "shop")) + otlp.put(2, b"\x12\x03abc"))
    with Sink() as sink, Daemon(extra="other_signals: forward", backends=f"""
  - {{name: all, kind: otlp_http, endpoint: '{sink.endpoint}', signals: [traces, metrics, logs]}}
  - {{name: traces, kind: otlp_http, endpoint: '{sink.endpoint}/only'}}""") as d:
        for signal, service in (("metrics", "metrics.v1.MetricsService"), ("logs", "logs.v1.LogsService")):
            status, _, answer = post(d.port, gzip.compress(body), f"/v1/{signal}", content_encoding="gzip")
            assert (status, answer) == (200, b"")
            with grpc.insecure_channel(f"127.0.0.1:{d.port}") as channel:
                assert channel.unary_unary(f"/opentelemetry.proto.collector.{service}/Export")(body, timeout=20) == b""
        wait_for(lambda: len(sink.bodies) == 4, "all of them")
        assert sorted(path for path, _, _ in sink.bodies) == ["/v1/logs"] * 2 + ["/v1/metrics"] * 2
        assert all(got == body for _, _, got in sink.bodies)
        d.audit()
    with Daemon(extra="other_signals: accept") as d:
        assert post(d.port, body, "/v1/logs")[0] == 200
        counts = {s["labels"]["fate"]: s["value"] for s in d.tailctl("stats", "opaque")["stats"]}
        assert counts == {"forwarded": 0, "accepted": 1}, counts


def h2spec_has_nothing_to_say():
    h2spec = os.environ.get("H2SPEC") or shutil.which("h2spec")
    if not h2spec:
        print("no h2spec: not shown")
        return
    with Daemon() as d:
        begin = time.monotonic()
        done = subprocess.run([h2spec, "-h", "127.0.0.1", "-p", str(d.port)], capture_output=True, text=True, timeout=300)
        last = done.stdout.strip().splitlines()[-1]
        assert done.returncode == 0 and " 0 skipped" in last and " 0 failed" in last, done.stdout[-3000:]
        print(f"h2spec: {last} ({time.monotonic() - begin:.0f} s)")


run_story(compression_none_and_gzip_and_more, a_size_limit_before_and_after_decompression,
          success_leaves_partial_success_unset, what_is_rejected_is_told, errors_are_a_status_in_the_request_s_content_type,
          overload_says_when_to_come_back, json_by_its_mapping, what_nobody_knows_yet_is_passed_on,
          requests_are_answered_each_by_itself, every_address_takes_every_protocol,
          browsers_may_send_from_allowed_origins, metrics_and_logs_pass_through_untouched, h2spec_has_nothing_to_say)
