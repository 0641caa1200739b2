#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make spans.bin and the golden answers beside it: what the Collector's own ottl_condition policy (version 0.161, built by
golden/) says of each span under each condition of constructs.txt and collected.txt.

    make_golden.py            # needs Go 1.26 and the network, or a module cache

spans.bin holds export requests of one span each, behind their length in four bytes, little-endian. The spans are drawn
from the conditions: their keys with their literals, and with values of other types. A golden file has a line for each
condition: `refused`, or a character for each span: 1 and 0, e for an error."""
import json
import pathlib
import random
import re
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
SPANS = 160
KEY = re.compile(r'((?:resource|scope|instrumentation_scope|span|spanevent)\.)?attributes\s*\[\s*"((?:[^"\\]|\\.)+)"\s*\]')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
NUMBER = re.compile(r'(?<![\w."])-?\d+(?:\.\d+)?')


def conditions(name):
    out = []
    for line in (HERE / name).read_text().splitlines():
        if line and not line.startswith("#"):
            context, _, text = line.partition(" ")
            out.append((context, text))
    return out


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number_field(number, n):
    return varint(number << 3) + varint(n)


def fixed64(number, n):
    return varint(number << 3 | 1) + struct.pack("<Q", n)


def any_value(v):
    if v is None:
        return b""
    if isinstance(v, bool):
        return number_field(2, v)
    if isinstance(v, str):
        return field(1, v.encode())
    if isinstance(v, int):
        return number_field(3, v)
    if isinstance(v, float):
        return varint(4 << 3 | 1) + struct.pack("<d", v)
    if isinstance(v, bytes):
        return field(7, v)
    if isinstance(v, list):
        return field(5, b"".join(field(1, any_value(i)) for i in v))
    return field(6, b"".join(field(1, attribute(k, i)) for k, i in v.items()))


def attribute(key, v):
    return field(1, key.encode()) + field(2, any_value(v))


# What the constructs ask for, several values each.
FIXED = {
    "string": ["gold", "tin", "true", "42", ""], "int": [42, 0, -1, 41, 43, "42"], "double": [0.25, 1.0, 1e-7, 1e21,
    123456789.125, -0.0, float("nan"), float("inf")], "bool": [True, False], "bytes": [b"\x01\xff", b"", b"\x00"],
    "list": [["a", "b"], ["a", 7], [], [["a"]], ["a"]], "map": [{"inner": "deep", "list": [1, 2]}, {"list": [],
    "inner": "d<p>"}, {}, {"inner": {"more": None}}], "empty": [None], "numeral": ["42", " 42", "4_2", "+42", "0x2a"],
    "fraction": ["0.25", "2.5e-1", ".25", "0x1p-2", "nan", "1e999"], "truth": ["true", "T", "0", "yes"],
    "padded": ["  x y ", "xy"], "unicode": ["éa", "aé", "日本"], "quo\"te": ["a\\b\n\tAéA", "x"], "ÿ": ["ÿ"],
    "a": [1, 2], "b": [2, 1], "c": [3, "3"], "other": ["gold", "tin", 42],
}
NAMES = ["GET /checkout", "POST /api/v1/orders", "get", "", "SELECT users", "/health"]


def literal(text):
    text = re.sub(r"^\^|\$$", "", text).replace("\\\\", "\\")
    text = re.sub(r"\\([./\-d*])", lambda m: "5" if m[1] == "d" else m[1], text).replace(".*", "x")
    return text


def harvest(all_conditions):
    """From each condition: its keys by place, its literals."""
    out = []
    for _, text in all_conditions:
        keys = [(m[1] or "", m[2]) for m in KEY.finditer(text)]
        bare = KEY.sub(" ", text)
        values = [literal(s) for s in STRING.findall(bare)]
        for s in list(values):
            inner = re.search(r"\(([^()|?]+(?:\|[^()|]+)+)\)", s)
            for part in (inner[1] if inner else s).split("|"):
                values.append(part.strip("^$()?:"))
        numbers = [float(n) if "." in n else int(n) for n in NUMBER.findall(STRING.sub(" ", bare))]
        booleans = [b == "true" for b in re.findall(r"\b(true|false)\b", bare)]
        if keys or values:
            out.append((keys, values, numbers, booleans, text))
    return out


def draw(rng, values, numbers, booleans):
    pool = list(values)
    for n in numbers:
        pool += [n, n] + ([n + 1, n - 1, float(n)] if abs(n) < 1 << 62 else []) + [str(n)]
    pool += booleans * 2
    if not pool or rng.random() < 0.12:
        return rng.choice(["x", "", 1, 200, 500, 0.5, True, ["x", 1], {"k": "v"}, b"\x01", None])
    return rng.choice(pool)


def make_request(rng, pool, i):
    place = {"": [], "resource.": [], "scope.": [], "event": []}
    names, versions = list(NAMES), []
    if i % 8 == 0:
        picked = []
    else:
        picked = rng.sample(pool, 14)
    for keys, values, numbers, booleans, text in picked:
        where = {"span.": "", "instrumentation_scope.": "scope.", "spanevent.": "event"}
        for prefix, key in keys:
            place[where.get(prefix, prefix)].append((key, draw(rng, values, numbers, booleans)))
        if re.search(r"\bname\b", KEY.sub(" ", text)):
            names += [v for v in values if v] * 2
    for key, values in FIXED.items():
        if rng.random() < 0.35:
            place[""].append((key, rng.choice(values)))
    if rng.random() < 0.3:
        place[""] += [("twice", "first"), ("twice", "second")]
    if rng.random() < 0.2:
        place[""].append(("", "empty key"))
    if rng.random() < 0.5:
        place["resource."].append(("service.name", rng.choice(["checkout", "payment-service", "frontend"])))
    if rng.random() < 0.4:
        place["scope."].append(("scope.key", rng.choice(["v", 1])))
    rng.shuffle(place[""])
    start = rng.choice([1700000000000000000, 1700000000000000005, 1764000000123456789, 0])
    took = rng.choice([0, 5000000, 250000000, 500000000, 500000001, 1500000000, 3000000000, 60000000000])
    span = field(1, bytes(range(1, 17)) if rng.random() < .3 else rng.randbytes(16)) if rng.random() < 2 else b""
    span += field(2, bytes(range(0x11, 0x19)) if rng.random() < .3 else rng.randbytes(8))
    if rng.random() < 0.5:
        span += field(3, rng.choice([b"a=1,b=2", b"a=1", b"b=2,a=x", b"not valid", b"ot=th:8"]))
    parent = rng.random()
    if parent < 0.6:
        span += field(4, rng.randbytes(8) if parent < 0.5 else bytes(8))
    name = rng.choice(names)
    if name or rng.random() < .5:
        span += field(5, name.encode())
    if rng.random() < 0.9:
        span += number_field(6, rng.choice([0, 1, 2, 2, 3, 3, 4, 5, 9]))
    span += fixed64(7, start) + fixed64(8, start + took)
    span += b"".join(field(9, attribute(k, v)) for k, v in place[""])
    for number in (10, 12, 14):
        if rng.random() < 0.3:
            span += number_field(number, rng.choice([1, 7]))
    for event in range(rng.choice([0, 0, 1, 2, 3])):
        body = fixed64(1, start + event * 700000) + field(2, rng.choice(["exception", "log", ""] + names).encode())
        attributes = rng.sample(place["event"] + place[""], min(3, len(place["event"] + place[""])))
        attributes += [("exception.type", rng.choice(["TimeoutError", "ValueError"]))] if rng.random() < .5 else []
        attributes += [("exception.escaped", rng.random() < .5)] if rng.random() < .3 else []
        attributes += [("exception.message", rng.choice(["a TIMEOUT", "no"]))] if rng.random() < .5 else []
        body += b"".join(field(3, attribute(k, v)) for k, v in attributes)
        body += number_field(4, 2) if rng.random() < .3 else b""
        span += field(11, body)
    for _ in range(rng.choice([0, 0, 1, 2])):
        span += field(13, field(1, rng.randbytes(16)) + field(2, rng.randbytes(8)))
    if rng.random() < 0.7:
        status = field(2, rng.choice(["deadline exceeded", "", "x"]).encode()) if rng.random() < .6 else b""
        span += field(15, status + number_field(3, rng.choice([0, 1, 2, 2])))
    if rng.random() < 0.5:
        span += varint(16 << 3 | 5) + struct.pack("<I", rng.choice([1, 0x101, 0]))
    resource = b"".join(field(1, attribute(k, v)) for k, v in place["resource."])
    resource += number_field(2, 3) if rng.random() < .2 else b""
    scope = field(1, rng.choice(["lib", "other", "io.opentelemetry.http"]).encode()) if rng.random() < .8 else b""
    scope += field(2, b"1.2.3") if rng.random() < .5 else b""
    scope += b"".join(field(3, attribute(k, v)) for k, v in place["scope."])
    scope += number_field(4, 2) if rng.random() < .2 else b""
    scope_spans = field(1, scope) + field(2, span) + (field(3, b"https://x/1") if rng.random() < .3 else b"")
    schema = field(3, b"https://opentelemetry.io/schemas/1.26.0") if rng.random() < .4 else b""
    return field(1, field(1, resource) + field(2, scope_spans) + schema)


def main():
    rng = random.Random(5)
    sets = {name: conditions(name + ".txt") for name in ("constructs", "collected")}
    pool = harvest(sets["collected"])
    with open(HERE / "spans.bin", "wb") as out:
        for i in range(SPANS):
            request = make_request(rng, pool, i)
            out.write(struct.pack("<I", len(request)) + request)
    for name, all_conditions in sets.items():
        lines = "".join(json.dumps({"context": "spanevent" if c == "event" else "span", "text": t}) + "\n"
                        for c, t in all_conditions)
        command = sys.argv[1:] or ["go", "run", "-C", str(HERE / "golden"), "."]
        answers = subprocess.run(command + [str((HERE / "spans.bin").resolve())], input=lines, text=True, check=True,
                                 capture_output=True).stdout
        (HERE / f"{name}.golden").write_text(answers)


main()
