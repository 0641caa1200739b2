#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which rule each trace of the corpus meets: the program against model.py, over configs drawn from a seed.

  check.py MATCHED CORPUS [--traces N] [--configs N] [--seed N]
"""
import argparse
import dataclasses
import random
import struct
import subprocess
import sys
import tempfile

import yaml

import model

FIELDS = ["tier", "http.status_code", "debug", "route", "service.name", "deployment.environment", "duration_ms", "error",
          "status_code", "name", "trace.parent_id", "span.kind", "nowhere"]
TEXTS = ["gold", "silver", "", "1", "true", "404", "200", "/api", "/api/v1/users", "prod", "staging", "s1", "s3", "op", "user",
         "a\nb", "\u212aelvin", "false", "<nil>", "server", "unspecified", "4", "0", "on"]
NUMBERS = ["0", "1", "-1", "200", "404", "404.0", "500", "399.5", "1e2", "1099511627776", "2"]
PATTERNS = ["^/api", "z$", "^s[0-3]$", "o", "^4..$", "^$", "true|1", "^[a-z]+$"]
ORDER = ["=", "!=", ">", ">=", "<", "<="]


@dataclasses.dataclass
class Span:
    trace_id: bytes
    name: bytes = b""
    kind: int = 0
    status: int = 0
    start: int = 0
    end: int = 0
    root: bool = True
    parent: bytes = b""
    attributes: dict = None
    resource: dict = None


def varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            return number, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif tag & 7 == 5:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        else:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        yield tag >> 3, value


def value_read(data):
    number, value = next(fields(data))
    if number == 2:
        return bool(value)
    if number == 3:
        return value - 2**64 if value >= 2**63 else value
    return struct.unpack("<d", struct.pack("<Q", value))[0] if number == 4 else value


def attribute(into, data):
    pair = dict(fields(data))
    into.setdefault(pair[1], value_read(pair[2]))


def span_read(data, resource):
    span = Span(b"", attributes={}, resource=resource)
    for number, value in fields(data):
        if number == 1:
            span.trace_id = value
        elif number == 4:
            span.root, span.parent = not any(value), value.hex().encode()
        elif number == 5:
            span.name = value
        elif number == 6:
            span.kind = value
        elif number == 7:
            span.start = value
        elif number == 8:
            span.end = value
        elif number == 9:
            attribute(span.attributes, value)
        elif number == 15:
            span.status = dict(fields(value)).get(3, 0)
    return span


def corpus_read(path, count):
    data, at, traces = open(path, "rb").read(), 0, {}
    while at < len(data):
        length = struct.unpack_from("<I", data, at)[0]
        for _, resource_spans in fields(data[at + 4:at + 4 + length]):
            resource = {}
            for number, value in fields(resource_spans):
                for inner, one in fields(value):
                    if number == 1 and inner == 1:
                        attribute(resource, one)
                    elif number == 2 and inner == 2:
                        span = span_read(one, resource)
                        if span.trace_id not in traces and len(traces) == count:
                            return traces
                        traces.setdefault(span.trace_id, []).append(span)
        at += 4 + length
    return traces


def condition_draw(r, scope):
    draw = r.random()
    if draw < 0.05 and scope == "trace":
        return {"operator": "has-root-span", "value": r.choice(["true", "false"])}
    if draw < 0.12:
        return {"field": r.choice(["?.NUM_DESCENDANTS", "meta.span_count"]), "operator": r.choice(ORDER),
                "value": str(r.randint(0, 8)), "datatype": "int"}
    names = r.sample(FIELDS, r.choice([1, 1, 1, 2]))
    if r.random() < 0.25:
        names = ["root." + n for n in names]
    condition = {"fields": names} if len(names) > 1 else {"field": names[0]}
    operator = condition["operator"] = r.choice(ORDER * 2 + ["exists", "not-exists", "contains", "does-not-contain",
                                                             "starts-with", "matches", "in", "not-in"])
    if operator in ("exists", "not-exists"):
        return condition
    if operator == "matches":
        return dict(condition, value=r.choice(PATTERNS))
    if operator in ("contains", "does-not-contain", "starts-with"):
        return dict(condition, value=r.choice(TEXTS + NUMBERS))
    kinds = ["any", "string", "int", "float"] + (["bool"] if operator in ("=", "!=") else [])
    kind = r.choice(kinds)
    if kind != "any" or r.random() < 0.3:
        condition["datatype"] = kind
    pool = {"any": TEXTS + NUMBERS, "string": TEXTS + NUMBERS, "float": NUMBERS, "bool": ["true", "false"],
            "int": [n for n in NUMBERS if "." not in n and "e" not in n]}[kind]
    if kind == "any":
        pool = [p for p in pool if p != "on"]  # YAML's truths: tests/unit/policy/test_rules.c
    return dict(condition, value=r.sample(pool, r.randint(1, 3)) if operator in ("in", "not-in") else r.choice(pool))


def rule_draw(r, number):
    rule = {"name": "rule %d" % number, "scope": r.choice(["trace", "span", "root"])}
    rule["conditions"] = [condition_draw(r, rule["scope"]) for _ in range(r.choice([1, 1, 2, 2, 3, 4]))]
    rule.update(r.choice([{"keep": True}, {"drop": True}, {"sample_rate": r.choice([1, 2, 3, 10])}]))
    return rule


def config_draw(r):
    config = {"rules": [rule_draw(r, n) for n in range(r.randint(2, 7))]}
    if r.random() < 0.5:
        config["otherwise"] = r.choice(["keep", "drop"])
    if r.random() < 0.3:
        config["hash_salt"] = "salt%d" % r.randint(0, 9)
    return config


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("matched")
    parser.add_argument("corpus")
    parser.add_argument("--traces", type=int, default=3000)
    parser.add_argument("--configs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    configs = {"c%d" % n: config_draw(random.Random(options.seed * 100000 + n)) for n in range(options.configs)}
    traces = corpus_read(options.corpus, options.traces)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for name, config in configs.items():
            block = {"policies": [{"name": "r", "type": "rules", "rules": config}]}
            file.write("=== %s\n%s" % (name, yaml.safe_dump(block, sort_keys=False)))
        file.flush()
        lines = subprocess.run([options.matched, options.corpus, file.name, str(options.traces)], check=True,
                               stdout=subprocess.PIPE, text=True).stdout.splitlines()
    wrong, met = 0, 0
    for line, (name, config) in zip(lines, configs.items(), strict=True):
        got_name, *got = line.split(" ")
        assert got_name == name and len(got) == len(traces), (got_name, len(got), len(traces))
        rules = set()
        for (trace_id, spans), answer in zip(traces.items(), got):
            number, keep = model.decide(config, trace_id, spans)
            want = "%d%s" % (number, "k" if keep else "d")
            rules.add(number)
            if answer != want:
                wrong += 1
                if wrong <= 5:
                    print("%s: trace %s: %s here, %s by the model\n%s" %
                          (name, trace_id.hex(), answer, want, yaml.safe_dump(config["rules"], sort_keys=False)))
        met += len(rules)
    print("%d configs, %d traces: %d rules were met, %d answers differ" % (len(configs), len(traces), met, wrong))
    sys.exit(wrong > 0 or met < 1.5 * len(configs))


if __name__ == "__main__":
    main()
