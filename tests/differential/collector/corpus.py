#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traces that a tail sampler can disagree about: the same bytes for the same arguments.

  corpus.py --traces N --out FILE

FILE is a row of ExportTraceServiceRequests, each behind its length (4 bytes, little-endian). Trace n has the id
trace_id(n), so that a kept set is a set of numbers; the first traces of a longer corpus are those of a shorter one.
One trace in ten (late_root) has its longest span last; one in 200 (no_start) has a span without a start.
"""
import argparse
import hashlib
import random
import struct

BATCH = 50  # traces a request


def trace_id(number):
    return hashlib.sha256(b"trace %d" % number).digest()[:16]


def late_root(number):
    return number % 10 == 3


def no_start(number):
    return number % 200 == 7


def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def any_value(value):
    if isinstance(value, bool):
        return b"\x10" + varint(value)
    if isinstance(value, int):
        return b"\x18" + varint(value)
    if isinstance(value, float):
        return b"\x21" + struct.pack("<d", value)
    return field(1, value if isinstance(value, bytes) else value.encode())


def attributes(number, pairs):
    return b"".join(field(number, field(1, key.encode()) + field(2, any_value(value))) for key, value in pairs)


TIERS = ["gold", "silver", "tin", "golden", "", "Gold", 1, True, 0]
CODES = [0, 1, -1, 200, 201, 301, 399, 400, 404, 499, 500, 503, 599, 600, 404.0, "404", True, 1 << 40, -(1 << 40)]
DEBUGS = [True, False, "true", 1, ""]
ROUTES = ["/api/v1/users", "/api/v2/orders", "/healthz", "/readyz", "/metrics", "", "/", "/api", "API/v1", "a\nb", "\n",
          "/api/v1\n", "x\vy", "\v", "caf\u00e9", "CAF\u00c9", "\u212aelvin", "kelvin", "\u65e5\u672c", "a b", "user-42",
          "user-x", b"\xff", b"ok\xc3", 7, "\x00"]
ENVIRONMENTS = ["prod", "staging", "dev", "", 3]
STATES = ["", "tier=gold", "a=1,tier=gold", "tier=silver", "tier=gold,tier=gold", "TIER=gold", "tier=gold, ", "a=1,,tier=tin",
          "tier=golden", "tenant@sys=x,tier=gold", "ot=th:8;rv:00112233445566", "tier= gold", "b=\u00e9,tier=gold"]


def events(sid):
    """Of one span in four; drawn apart, so that the rest of a trace does not hang on them."""
    r = random.Random(sid)
    out = b""
    for _ in range(r.choices([0, 1, 3], [75, 20, 5])[0]):
        pairs = maybe(r, 0.5, "exception.type", ["TimeoutError", "ValueError", "", 7]) + maybe(r, 0.1, "tier", TIERS)
        name = r.choice(["exception", "log", "retry", ""])
        out += field(11, b"\x09" + struct.pack("<Q", 1700000000 * 10**9) + field(2, name.encode()) + attributes(3, pairs))
    return out


def maybe(r, share, key, values):
    return [(key, r.choice(values))] if r.random() < share else []


def span(r, number, sid, parent, start, end):
    out = field(1, trace_id(number)) + field(2, sid)
    state = r.choice(STATES) if r.random() < 0.3 else ""
    if state:
        out += field(3, state.encode())
    if parent:
        out += field(4, parent)
    out += field(5, b"op") + b"\x39" + struct.pack("<Q", start) + b"\x41" + struct.pack("<Q", end)
    pairs = maybe(r, 0.15, "tier", TIERS) + maybe(r, 0.2, "http.status_code", CODES) + maybe(r, 0.1, "debug", DEBUGS)
    pairs += maybe(r, 0.3, "route", ROUTES)
    out += attributes(9, pairs) + events(sid)
    status = r.choices([0, 1, 2], [90, 6, 4])[0]
    if status:
        out += field(15, b"\x18" + varint(status))
    flags = r.choice([0, 0, 0x100, 0x101, 0x301, 1]) if r.random() < 0.3 else 0
    if flags:
        out += varint(16 << 3 | 5) + struct.pack("<I", flags)
    return out


def times(r, number, spans):
    """Of each span; the first covers them all, unless it comes last."""
    base = 1700000000 * 10**9 + number * 10**6
    length = int(10 ** r.uniform(6, 9.7))
    if r.random() < 0.2:
        length = r.choice([0, 99_999_999, 100_000_000, 100_999_999, 101_000_000, 500_000_000, 500_999_999, 501_000_000])
    rest = []
    for _ in range(spans - 1):
        a, b = sorted((r.randint(0, length), r.randint(0, length)))
        rest.append((base + a, base + b))
    if late_root(number):
        return rest + [(base, base + length)]
    return [(base, base + length)] + rest


def trace(number):
    """Its ResourceSpans."""
    r = random.Random(number)
    count = r.choices([1, 2, 3, 4, 5, 8, 12, 20], [20, 20, 20, 15, 10, 8, 5, 2])[0]
    when = times(r, number, count)
    if no_start(number):
        when[-1] = (0, when[-1][1])
    root = r.randbytes(8)
    out, group, resource = [], [], None
    for i, (start, end) in enumerate(when):
        if resource is None or r.random() < 0.3:
            if group:
                out.append((resource, group))
            resource = field(1, attributes(1, [("service.name", "s%d" % r.randint(0, 5))] +
                                           maybe(r, 0.5, "deployment.environment", ENVIRONMENTS) +
                                           maybe(r, 0.05, "tier", TIERS) + maybe(r, 0.05, "http.status_code", CODES) +
                                           maybe(r, 0.05, "debug", DEBUGS) + maybe(r, 0.05, "route", ROUTES)))
            group = []
        is_root = (i == count - 1) if late_root(number) else i == 0
        group.append(field(2, span(r, number, root if is_root else r.randbytes(8), b"" if is_root else root, start, end)))
    out.append((resource, group))
    return [field(1, resource + field(2, b"".join(group))) for resource, group in out]


def requests(traces):
    for begin in range(0, traces, BATCH):
        yield b"".join(b"".join(trace(n)) for n in range(begin, min(begin + BATCH, traces)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", type=int, required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    with open(options.out, "wb") as file:
        for body in requests(options.traces):
            file.write(struct.pack("<I", len(body)) + body)


if __name__ == "__main__":
    main()
