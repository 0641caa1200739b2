#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the vectors of test_json_vectors.c: messages as protobuf and as the JSON that Google's json_format makes of
them, with OTLP's differences (ids in hex, enums as numbers). Needs opentelemetry-proto:

    generate.py FOLDER
"""
import base64
import json
import pathlib
import random
import sys

from google.protobuf import json_format
from opentelemetry.proto.trace.v1 import trace_pb2

IDS = {"traceId", "spanId", "parentSpanId"}


def hex_ids(node):
    if isinstance(node, dict):
        return {k: base64.b64decode(v).hex() if k in IDS and isinstance(v, str) else hex_ids(v)
                for k, v in node.items()}
    return [hex_ids(v) for v in node] if isinstance(node, list) else node


def write(folder, name, message, **how):
    text = json_format.MessageToDict(message, use_integers_for_enums=True)
    (folder / f"{name}.json").write_text(json.dumps(hex_ids(text), **how) + "\n")
    (folder / f"{name}.pb").write_bytes(message.SerializeToString(deterministic=True))


TEXTS = ["", "GET /cart", "a\"b\\c/d\b\f\n\r\t", "\x00\x01\x1f\x7f", "naïve — 日本語 🦀", "x" * 127, "y" * 128,
         "é" * 70, "</script>&'"]
INTEGERS = [0, 1, -1, 127, 128, 2**31, -2**31, 2**53 + 1, 2**63 - 1, -2**63]
DOUBLES = [0.0, -0.0, 1.0, -1.5, 0.1, 1e22, 1e23, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1 / 3,
           9007199254740993.0, float("nan"), float("inf"), float("-inf")]
BYTES = [b"", b"\x00", b"\xff\xfe", b"abc", bytes(range(256))]


def value_set(value, rng, depth):
    kind = rng.randrange(9 if depth else 6)
    if kind == 0:
        value.string_value = rng.choice(TEXTS)
    elif kind == 1:
        value.bool_value = rng.random() < 0.5
    elif kind == 2:
        value.int_value = rng.choice(INTEGERS)
    elif kind == 3:
        value.double_value = rng.choice(DOUBLES)
    elif kind == 4:
        value.bytes_value = rng.choice(BYTES)
    elif kind == 6:
        value.array_value.SetInParent()
        for _ in range(rng.randrange(4)):
            value_set(value.array_value.values.add(), rng, depth - 1)
    elif kind == 7:
        value.kvlist_value.SetInParent()
        attributes_add(value.kvlist_value.values, rng, depth - 1)
    elif kind == 8:
        value.string_value_strindex = rng.choice([0, 7, -1])


def attributes_add(attributes, rng, depth=3):
    for _ in range(rng.randrange(6)):
        attribute = attributes.add(key=rng.choice(TEXTS))
        if rng.random() < 0.9:
            attribute.value.SetInParent()
            value_set(attribute.value, rng, depth)
        if rng.random() < 0.1:
            attribute.key_strindex = rng.choice([1, -5])


def span_add(spans, rng):
    span = spans.add(trace_id=rng.randbytes(16), span_id=rng.randbytes(8), name=rng.choice(TEXTS))
    span.kind = rng.randrange(6)
    span.start_time_unix_nano = rng.choice([0, 1, 1700000000123456789, 2**64 - 1])
    span.end_time_unix_nano = rng.choice([0, 1700000000123456790])
    span.flags = rng.choice([0, 1, 0x101, 0xffffffff])
    span.trace_state = rng.choice(["", "a=b,c=d"])
    span.dropped_attributes_count, span.dropped_links_count = rng.choice([0, 2**32 - 1]), rng.choice([0, 9])
    span.dropped_events_count = rng.choice([0, 300])
    if rng.random() < 0.7:
        span.parent_span_id = rng.randbytes(8)
    if rng.random() < 0.5:
        span.status.code = rng.randrange(3)
        span.status.message = rng.choice(TEXTS)
    attributes_add(span.attributes, rng)
    for _ in range(rng.randrange(3)):
        event = span.events.add(time_unix_nano=rng.getrandbits(63), name=rng.choice(TEXTS),
                                dropped_attributes_count=rng.randrange(2))
        attributes_add(event.attributes, rng)
    for _ in range(rng.randrange(3)):
        link = span.links.add(trace_id=rng.randbytes(16), span_id=rng.randbytes(8), trace_state="k=v",
                              flags=rng.getrandbits(32), dropped_attributes_count=rng.randrange(2))
        attributes_add(link.attributes, rng)


def traces(rng):
    data = trace_pb2.TracesData()
    for _ in range(rng.randrange(1, 4)):
        resource_spans = data.resource_spans.add(schema_url=rng.choice(["", "https://opentelemetry.io/schemas/1.44.0"]))
        if rng.random() < 0.8:
            attributes_add(resource_spans.resource.attributes, rng)
            resource_spans.resource.dropped_attributes_count = rng.randrange(2)
            entity = resource_spans.resource.entity_refs.add(type="service", schema_url="https://e")
            entity.id_keys.extend(["service.name", ""])
            entity.description_keys.append("service.version")
        for _ in range(rng.randrange(3)):
            scope_spans = resource_spans.scope_spans.add(schema_url=rng.choice(["", "https://s"]))
            scope_spans.scope.name, scope_spans.scope.version = rng.choice(TEXTS), "1.0"
            attributes_add(scope_spans.scope.attributes, rng)
            for _ in range(rng.randrange(4)):
                span_add(scope_spans.spans, rng)
    return data


def main():
    folder = pathlib.Path(sys.argv[1])
    write(folder, "empty", trace_pb2.TracesData())
    for seed in range(8):
        how = [{}, {"ensure_ascii": False}, {"indent": 2}][seed % 3]
        write(folder, f"random{seed}", traces(random.Random(seed)), **how)


main()
