# SPDX-License-Identifier: Apache-2.0
"""OTLP metrics as plain text, so that two senders can be compared: a line a series, without times and exemplars."""
import json
import struct


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return value, at
        shift += 7


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            value, at = data[at:at + 8], at + 8
        elif tag & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        elif tag & 7 == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


def every(data, number):
    return [v for n, v in fields(data) if n == number]


def last(data, number, default=b""):
    return ([default] + every(data, number))[-1]


def u64(data):
    return struct.unpack("<Q", data)[0]


def double(data):
    return struct.unpack("<d", data)[0]


def signed(n):
    return n >> 1 ^ -(n & 1)


def value(data):
    for n, v in fields(data):
        if n == 1:
            return v.decode()
        if n == 2:
            return bool(v)
        if n == 3:
            return v - (1 << 64) if v >> 63 else v
        if n == 4:
            return double(v)
        if n == 5:
            return [value(x) for x in every(v, 1)]
        raise ValueError(f"a value of field {n}")
    return None


def attributes(data, number):
    pairs = {last(kv, 1).decode(): value(last(kv, 2)) for kv in every(data, number)}
    if "collector.instance.id" in pairs:
        assert len(pairs["collector.instance.id"]) == 36
        pairs["collector.instance.id"] = "*"
    return pairs


def numbers(data):
    """Packed fixed64."""
    return list(struct.unpack(f"<{len(data) // 8}Q", data))


def varints(data):
    out, at = [], 0
    while at < len(data):
        n, at = varint(data, at)
        out.append(n)
    return out


def exponential(point):
    positive = last(point, 8)
    return {"count": u64(last(point, 4)), "sum": double(last(point, 5)), "scale": signed(last(point, 6, 0)),
            "zero": u64(last(point, 7, bytes(8))), "offset": signed(last(positive, 1, 0)), "counts": varints(last(positive, 2)),
            "min": double(last(point, 12, bytes(8))), "max": double(last(point, 13, bytes(8)))}


def explicit(point):
    bounds = last(point, 7)
    return {"count": u64(last(point, 4)), "sum": double(last(point, 5)), "buckets": numbers(last(point, 6)),
            "bounds": list(struct.unpack(f"<{len(bounds) // 8}d", bounds))}


KINDS = {7: (7, lambda p: {"count": u64(last(p, 6, bytes(8)))}), 9: (9, explicit), 10: (1, exponential)}


def points(body):
    """(key, start, time, value, exemplars) of each data point of an ExportMetricsServiceRequest, in its order."""
    for resource_metrics in every(body, 1):
        resource = attributes(last(resource_metrics, 1), 1)
        for scope_metrics in every(resource_metrics, 2):
            scope = last(last(scope_metrics, 1), 1).decode()
            for metric in every(scope_metrics, 2):
                for kind, (of, read) in KINDS.items():
                    for data in every(metric, kind):
                        head = {"name": last(metric, 1).decode(), "unit": last(metric, 3).decode(), "scope": scope,
                                "temporality": last(data, 2, 0), "resource": resource}
                        for point in every(data, 1):
                            key = json.dumps(head | {"attributes": attributes(point, of)}, sort_keys=True, ensure_ascii=False)
                            yield (key, u64(last(point, 2)), u64(last(point, 3)), read(point),
                                   every(point, {7: 5, 9: 8, 10: 11}[kind]))


def add(a, b):
    return {k: [x + y for x, y in zip(a[k], b[k])] if k == "buckets" else b[k] if k == "bounds" else a[k] + b[k] for k in b}


def final(bodies):
    """The series' last values; of deltas their sums."""
    series = {}
    # Requests may overtake each other.
    for key, _, _, got, _ in sorted((p for body in bodies for p in points(body)), key=lambda p: p[2]):
        delta = '"temporality": 1' in key
        series[key] = add(series[key], got) if delta and key in series else got
    for got in series.values():
        for k in ("sum", "min", "max"):
            if k in got:
                got[k] = float("%.11g" % got[k])
    return series


def same(a, b):
    """What differs, as text; the last digits of sums, which depend on their order, do not count."""
    said = []
    for key in sorted(a.keys() | b.keys()):
        x, y = a.get(key), b.get(key)
        if x == y:
            continue
        if x and y and all(x[k] == y[k] for k in x if k != "sum") and abs(x["sum"] - y["sum"]) <= 1e-9 * abs(x["sum"]):
            continue
        said.append(f"{key}: {x} != {y}")
    return said
