# SPDX-License-Identifier: Apache-2.0
"""Just enough of protobuf's wire format to take export requests apart without losing a byte, and to build them."""


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """(number, wire type, value) of each field; the value of a length-delimited one is its bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = data[at:at + 8], at + 8
        elif wire == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size
        elif wire == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError(f"wire type {wire}")
        yield tag >> 3, wire, value


def first(data, number, default=b""):
    return next((v for n, _, v in fields(data) if n == number), default)


def spans(body):
    """(resource bytes, scope bytes, span bytes) of each span of an export request."""
    for n, _, resource_spans in fields(body):
        if n != 1:
            continue
        resource = b"".join(v for n, _, v in fields(resource_spans) if n == 1)
        for n, _, scope_spans in fields(resource_spans):
            if n != 2:
                continue
            scope = b"".join(v for n, _, v in fields(scope_spans) if n == 1)
            for n, _, span in fields(scope_spans):
                if n == 2:
                    yield resource, scope, span


def put_varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put(number, value):
    """A field: bytes and str length-delimited, int a varint."""
    if isinstance(value, int):
        return put_varint(number << 3) + put_varint(value)
    if isinstance(value, str):
        value = value.encode()
    return put_varint(number << 3 | 2) + put_varint(len(value)) + value


def put_fixed64(number, value):
    return put_varint(number << 3 | 1) + value.to_bytes(8, "little")


def attribute(number, key, value):
    any_value = put(1, value) if isinstance(value, str) else put(3, value)
    return put(number, put(1, key) + put(2, any_value))


def span(trace_id, span_id, name="op", start=1_700_000_000_000_000_000, duration=1_000_000, error=False, parent=b"",
         attributes=()):
    out = put(1, trace_id) + put(2, span_id)
    if parent:
        out += put(4, parent)
    out += put(5, name) + put(6, 2) + put_fixed64(7, start) + put_fixed64(8, start + duration)
    for key, value in attributes:
        out += attribute(9, key, value)
    if error:
        out += put(15, put(3, 2))
    return out


def request(spans_, service="shop", attributes=()):
    resource = attribute(1, "service.name", service) + b"".join(attribute(1, k, v) for k, v in attributes)
    scope_spans = put(1, put(1, "test")) + b"".join(put(2, s) for s in spans_)
    return put(1, put(1, resource) + put(2, scope_spans))
