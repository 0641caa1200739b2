#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Limits: the lcores on virtual time against a model of what they should keep, and against what a Collector kept.

  limits.py LIMITS [CONFIG...]      LIMITS is the driver's path

  - The kept set of each config is the model's, trace by trace, with one lcore and with four, in turns that seeds draw.
  - In no second is more kept than the limit says.
  - The spans kept are within the range of five runs of the Collector (golden.json) and 2 %, but where the difference is
    listed in docs/collector-compat.md.
"""
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

import yaml

import traffic

HERE = pathlib.Path(__file__).resolve().parent
WAIT_S = 5
RUNS = [(1, 1), (4, 2), (4, 3), (3, 4)]  # lcores, seed
MASK = (1 << 64) - 1
# Where the Collector keeps something else, and what must be so instead.
MORE = {n: "what a share leaves is lent" for n in ("composite", "composite_equal", "composite_lends")}
OTHER = {"composite_order": "policy_order is obeyed"}


def configs():
    parts = re.split(r"^=== (\w+)\n", (HERE / "configs.txt").read_text(), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2]))


# --- the model: what docs/collector-compat.md says, one tick after the other

def mix(x):
    x ^= x >> 33
    x = x * 0xff51afd7ed558ccd & MASK
    x ^= x >> 33
    x = x * 0xc4ceb9fe1a85ec53 & MASK
    return x ^ x >> 33


def bucket(trace):
    """Of ranks, a hash of the id: 256 to an octave over the uppermost 16, and 256 below."""
    low, high = struct.unpack("<QQ", traffic.trace_id(trace.number))
    rank = mix(mix(mix(low + 0x9e3779b97f4a7c15 & MASK) ^ high) ^ 0x6275646765747321)
    if rank < 1 << 48:
        return rank >> 40
    octave = rank.bit_length() - 1
    return 256 * (octave - 47) + (rank >> octave - 8 & 255)


class Bucket:
    """Of tokens: `rate` a second, up to `burst`; full at first."""

    def __init__(self, rate, burst):
        self.rate, self.burst, self.saved, self.at = rate, burst, burst, None

    def refill(self, second):
        if self.at is not None:
            self.saved = min(self.burst, self.saved + self.rate * (second - self.at))
        self.at = second
        return self.saved


def serve(asking, room):
    """Buckets of ranks from the lowest on, each that fits. Returns the traces that got something, and what is left."""
    got = set()
    for b in sorted(asking):
        weight = sum(w for _, w in asking[b])
        if weight <= room:
            room -= weight
            got.update(t for t, _ in asking[b])
    return got, room


def gather(pairs):
    asking = {}
    for trace, weight in pairs:
        asking.setdefault(bucket(trace), []).append((trace, weight))
    return asking


class Limit:
    def __init__(self, options, of_bytes):
        rate = options["bytes_per_second" if of_bytes else "spans_per_second"]
        self.tokens = Bucket(rate, options.get("burst_capacity") or 2 * rate)
        self.of_bytes = of_bytes

    def weight(self, trace):
        return trace.bytes + 3 * trace.spans if self.of_bytes else trace.spans

    def keeps(self, traces, tick):
        """Those of a tick that it keeps, and the tick in which they are known."""
        pairs = [(t, self.weight(t)) for t in traces if self.weight(t) <= self.tokens.burst]
        if not pairs:
            return set(), tick + 1
        got, self.tokens.saved = serve(gather(pairs), self.tokens.refill(tick + 1))
        return got, tick + 1


class Simple:
    """Answers at once."""

    def __init__(self, says):
        self.says = says

    def keeps(self, traces, tick):
        return {t for t in traces if self.says(t)}, tick


class And:
    """Limits of one `and` are asked in the same tick, each for what those before it that answer at once leave."""

    def __init__(self, subs):
        self.subs = subs

    def keeps(self, traces, tick):
        asked, kept, end = set(traces), set(traces), tick
        for sub in self.subs:
            got, known = sub.keeps(asked, tick)
            kept &= got
            asked = asked & got if known == tick else asked
            end = max(end, known)
        return kept, end


class Not:
    def __init__(self, sub):
        self.sub = sub

    def keeps(self, traces, tick):
        got, end = self.sub.keeps(traces, tick)
        return set(traces) - got, end


class Composite:
    def __init__(self, options):
        subs = options["composite_sub_policy"]
        order = {n: i for i, n in enumerate(options.get("policy_order", []))}
        percent = {a["policy"]: a["percent"] for a in options.get("rate_allocation", [])}
        total = options["max_total_spans_per_second"]
        self.subs = [(policy(s), total * percent[s["name"]] // 100 if s["name"] in percent else total // len(subs))
                     for s in sorted(subs, key=lambda s: order[s["name"]])]
        self.total = total

    def keeps(self, traces, tick):
        left, asks, ends = set(traces), [], tick
        for sub, share in self.subs:
            got, known = sub.keeps(left, tick)
            ends = max(ends, known)
            asks.append((got, share))
            left -= got
        kept, room, rest = set(), self.total, []
        for traces_of, share in asks:
            asking = gather((t, t.spans) for t in traces_of if t.spans <= self.total)
            got, left_of = serve(asking, min(share, room))
            room -= min(share, room) - left_of
            kept |= got
            rest.append([(t, t.spans) for t in traces_of - got if t.spans <= self.total])
        for pairs in rest:
            got, room = serve(gather(pairs), room)
            kept |= got
        return kept, ends + 1


def policy(options):
    kind = options["type"]
    if kind in ("rate_limiting", "bytes_limiting"):
        return Limit(options[kind], kind == "bytes_limiting")
    if kind in ("and", "drop"):
        return And([policy(s) for s in options[kind][kind + "_sub_policy"]])
    if kind == "not":
        return Not(policy(options["not"]["not_sub_policy"]))
    if kind == "composite":
        return Composite(options["composite"])
    return Simple({"always_sample": lambda t: True, "status_code": lambda t: t.error,
                   "string_attribute": lambda t: t.gold}[kind])


def model(block):
    """The numbers of the traces that are kept."""
    policies = [(p["type"] == "drop", policy(p)) for p in block["policies"]]
    ticks, kept = {}, set()
    for at_ns, _, traces in traffic.requests():
        ticks.setdefault(at_ns // 10**9 + WAIT_S, set()).update(traces)
    for tick in sorted(ticks):
        traces = ticks[tick]
        for drop, each in policies:
            if drop:
                traces = traces - each.keeps(traces, tick)[0]
        for drop, each in policies:
            if drop:
                continue
            got, _ = each.keeps(traces, tick)
            kept |= got
            if block.get("sample_on_first_match"):
                traces = traces - got
    return {t.number for t in kept}


# --- the lcores

def lcores_keep(binary, text, lcores, seed, number_of):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write("decision_wait: %ds\n%s" % (WAIT_S, text))
        config.flush()
        out = subprocess.run([binary, CORPUS, config.name, str(lcores), str(seed)], capture_output=True, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    rows = [line.split(" ", 4) for line in out.stdout.splitlines()]
    return [(number_of[id], kept == "1", int(spans), int(at), name) for id, kept, spans, at, name in rows]


def limit_of(block):
    """Spans or bytes that no second may have more of, under configs of one limit that keeps. None: there is none."""
    for each in block["policies"]:
        options = each.get(each["type"], {})
        if each["type"] == "and":
            each = [s for s in options["and_sub_policy"] if s["type"] == "rate_limiting"][0]
            options = each["rate_limiting"]
        if each["type"] == "composite":
            return options["max_total_spans_per_second"], False
        if each["type"] in ("rate_limiting", "bytes_limiting") and len(block["policies"]) == 1:
            rate = options.get("spans_per_second") or options.get("bytes_per_second")
            return options.get("burst_capacity") or 2 * rate, each["type"] == "bytes_limiting"
    return None


def seconds_hold(rows, limit, trace_of):
    most, of_bytes = limit
    seconds = {}
    for number, kept, spans, at_ns, _ in rows:
        if kept:
            weight = trace_of[number].bytes + 3 * spans if of_bytes else spans
            seconds[at_ns // 10**9] = seconds.get(at_ns // 10**9, 0) + weight
    return all(w <= most for w in seconds.values())


def check(name, text, binary, golden, number_of, trace_of):
    block, faults, wanted = yaml.safe_load(text), [], None
    wanted = model(block)
    for lcores, seed in RUNS:
        rows = lcores_keep(binary, text, lcores, seed, number_of)
        kept = {r[0] for r in rows if r[1]}
        if len(rows) != len(trace_of):
            faults.append("%d of %d traces were decided" % (len(rows), len(trace_of)))
        if kept != wanted:
            faults.append("%d lcores, seed %d: %d traces differ from the model, %s" %
                          (lcores, seed, len(kept ^ wanted), sorted(kept ^ wanted)[:5]))
        limit = limit_of(block)
        if limit and not seconds_hold(rows, limit, trace_of):
            faults.append("%d lcores, seed %d: a second has more than %d" % (lcores, seed, limit[0]))
    spans = sum(trace_of[n].spans for n in wanted)
    low, high = min(golden[name]) * 0.98, max(golden[name]) * 1.02
    inside = low <= spans <= high
    if name in MORE and spans <= max(golden[name]):
        faults.append("%d spans are no more than the Collector's %d, though %s" % (spans, max(golden[name]), MORE[name]))
    if name not in MORE and name not in OTHER and not inside:
        faults.append("%d spans, the Collector keeps %d to %d" % (spans, min(golden[name]), max(golden[name])))
    said = MORE.get(name) or OTHER.get(name) or ""
    print("%-16s %6d spans of %d traces, the Collector's %d to %d %s" %
          (name, spans, len(wanted), min(golden[name]), max(golden[name]), said and "(" + said + ")"))
    for fault in faults:
        print("  " + fault)
    return len(faults)


def main():
    binary, names = sys.argv[1], sys.argv[2:]
    golden = json.loads((HERE / "golden.json").read_text())
    traces = [t for _, _, row in traffic.requests() for t in row]
    number_of = {traffic.trace_id(t.number).hex(): t.number for t in traces}
    faults = sum(check(n, text, binary, golden, number_of, traces) for n, text in configs().items() if not names or n in names)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    with tempfile.NamedTemporaryFile(suffix=".bin") as corpus_file:
        for at_ns_, body_, _ in traffic.requests():
            corpus_file.write(struct.pack("<QI", at_ns_, len(body_)) + body_)
        corpus_file.flush()
        CORPUS = corpus_file.name
        main()
