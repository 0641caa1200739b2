# SPDX-License-Identifier: Apache-2.0
"""Spans that two counters of RED metrics can disagree about: the same bytes each time."""
import random
import struct

REQUESTS = 24
START = 1_700_000_000_000_000_000
MS = 1_000_000
NAMES = ["GET /cart", "POST /cart", "SELECT", "", "a longer name of an operation that nobody would call so"]
# On bounds, beside them, none, and backwards.
DURATIONS = [0, 1, 999, MS, 2 * MS - 1, 2 * MS, 2 * MS + 1, 10 * MS, 10 * MS + 1, 49 * MS, 250 * MS, 1000 * MS, 1400 * MS,
             1_400_000_001, 15_000 * MS, 15_000 * MS + 1, 40_000 * MS, -5 * MS]
STATES = ["", "", "", "", "ot=th:8", "ot=th:c,rojo=00f067aa0ba902b7", "rojo=1", "ot=rv:0123456789abcd;th:0"]


def varint(n):
    out, n = b"", n & (1 << 64) - 1
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def any_value(value):
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"\x10" + varint(value)
    if isinstance(value, int):
        return b"\x18" + varint(value)
    if isinstance(value, float):
        return b"\x21" + struct.pack("<d", value)
    if isinstance(value, list):
        return field(5, b"".join(field(1, any_value(v)) for v in value))
    return field(1, value.encode())


def attributes(number, pairs):
    return b"".join(field(number, field(1, k.encode()) + field(2, any_value(v))) for k, v in pairs)


def resources(draw):
    service = draw.choice(["shop", "shop", "pay", "mail", "", None])
    pairs = [] if service is None else [("service.name", service)]
    if draw.random() < 0.5:
        pairs.append(("service.namespace", "eu"))
    pairs += [("host.name", "h%d" % draw.randrange(2)), ("process.pid", draw.randrange(3))]
    if draw.random() < 0.3:
        pairs.append(("region", "north"))
    draw.shuffle(pairs)
    return pairs


def span(draw, number):
    duration = draw.choice(DURATIONS) if draw.random() < 0.4 else int(draw.lognormvariate(17, 2))
    out = field(1, struct.pack(">QQ", 1 + number // 3, number // 3)) + field(2, struct.pack(">Q", number + 1))
    state = draw.choice(STATES)
    if state:
        out += field(3, state.encode())
    out += field(5, draw.choice(NAMES).encode())
    kind = draw.choice([0, 1, 2, 2, 2, 3, 3, 4, 5, 7])
    if kind:
        out += b"\x30" + varint(kind)
    out += b"\x39" + struct.pack("<Q", START) + b"\x41" + struct.pack("<Q", START + duration)
    pairs = [("http.method", draw.choice(["GET", "POST"]))]
    if draw.random() < 0.7:
        pairs.append(("http.status_code", draw.choice([200, 404, 500])))
    if draw.random() < 0.2:
        pairs.append(("region", draw.choice(["south", ""])))
    if draw.random() < 0.2:
        pairs.append(("ratio", draw.choice([0.25, 1.5])))
    if draw.random() < 0.2:
        pairs.append(("cached", draw.random() < 0.5))
    if draw.random() < 0.1:
        pairs.append(("list", draw.choice([["a", 1], []])))
    if draw.random() < 0.1:
        pairs.append(("nothing", None))
    if draw.random() < 0.1:
        pairs.append(("http.method", "TWICE"))
    out += attributes(9, pairs)
    status = draw.choice([0, 0, 0, 1, 2, 9])
    if status:
        out += field(15, b"\x18" + varint(status))
    return out


def requests():
    draw, number = random.Random(11), 0
    for _ in range(REQUESTS):
        body = b""
        for _ in range(draw.randrange(1, 4)):
            scope = b""
            for _ in range(draw.randrange(0, 60)):
                scope += field(2, span(draw, number))
                number += 1
            body += field(1, field(1, attributes(1, resources(draw))) + field(2, scope))
        yield body
    for service in 7, 1.5, True, ["a"]:  # no string
        scope = b"".join(field(2, span(draw, number + n)) for n in range(3))
        number += 3
        yield field(1, field(1, attributes(1, [("host.name", "h0"), ("service.name", service)])) + field(2, scope))
