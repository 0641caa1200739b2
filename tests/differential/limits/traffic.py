#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Traces with times, for what spends a budget a second: the same bytes each time.

  traffic.py --out FILE

FILE is a row of ExportTraceServiceRequests: nanoseconds since the first second began (8 bytes), length (4), body. They
come at ten moments in the middle of each second, so that nobody is at odds about which second it is. A trace is whole
in its request, under a resource without attributes: what of bytes is a trace's own is no question then.
"""
import argparse
import collections
import random
import struct
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "../collector"))
from corpus import attributes, field, trace_id, varint  # noqa: E402

SECONDS = 60
MOMENTS = [0.05 + 0.09 * n for n in range(10)]

Trace = collections.namedtuple("Trace", "number at_ns spans bytes error gold")


def traces_at(second):
    """How many come at each moment: much, now and then very much, sometimes nothing."""
    if 20 <= second < 23:
        return 0
    return 24 if second % 10 == 5 else 8


def span(r, number, sid, parent, start, end, error, gold):
    out = field(1, trace_id(number)) + field(2, sid) + (field(4, parent) if parent else b"")
    out += field(5, b"operation of some length") + b"\x39" + struct.pack("<Q", start) + b"\x41" + struct.pack("<Q", end)
    out += attributes(9, ([("tier", "gold")] if gold else []) + [("payload", "x" * r.randint(100, 400))])
    return out + (field(15, b"\x18" + varint(2)) if error else b"")


def make(number, at_ns):
    """The trace and its spans."""
    r = random.Random(number)
    count = r.choices([1, 2, 3, 4, 5, 8, 12, 20, 60], [20, 20, 18, 12, 10, 8, 6, 5, 1])[0]
    error, gold = r.random() < 0.08, r.random() < 0.2
    start = 1700000000 * 10**9 + number * 10**6
    root = r.randbytes(8)
    spans = [span(r, number, root if i == 0 else r.randbytes(8), b"" if i == 0 else root, start, start + 10**6, error and i == 0,
                  gold and i == count - 1) for i in range(count)]
    return Trace(number, at_ns, count, sum(len(s) for s in spans), error, gold), spans


def requests():
    """(at_ns, body, traces)"""
    number = 0
    for second in range(SECONDS):
        for moment in MOMENTS:
            at_ns = int((second + moment) * 10**9)
            body, traces = b"", []
            for _ in range(traces_at(second)):
                trace, spans = make(number, at_ns)
                number += 1
                traces.append(trace)
                body += field(1, field(2, b"".join(field(2, s) for s in spans)))
            if traces:
                yield at_ns, body, traces


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    with open(options.out, "wb") as file:
        for at_ns, body, _ in requests():
            file.write(struct.pack("<QI", at_ns, len(body)) + body)


if __name__ == "__main__":
    main()
