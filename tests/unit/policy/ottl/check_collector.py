#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold the golden answers against a Collector that runs: every condition a policy of its tail sampler, every span a trace
of its own; the Collector counts as many sampled traces as the golden file has.

    check_collector.py COLLECTOR     # the program that `perf/compare --peers` builds; ports 14951 and 14952 are used

Conditions on trace_id are left out, since ids are made unlike each other; so is schema_url, which the tail sampler loses
when it puts spans aside."""
import json
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent
ONE_ID = b"\x0a\x10" + bytes(range(1, 17))
METRICS = "http://127.0.0.1:14952/metrics"
COUNT = re.compile(r'otelcol_processor_tail_sampling_count_traces_sampled\w*\{(.*)\} (\S+)')


def conditions():
    for name in ("constructs", "collected"):
        answers = (HERE / f"{name}.golden").read_text().splitlines()
        lines = [line for line in (HERE / f"{name}.txt").read_text().splitlines() if line and line[0] != "#"]
        for line, answer in zip(lines, answers, strict=True):
            context, _, text = line.partition(" ")
            if answer != "refused" and "trace_id" not in text and "schema_url" not in text:
                yield "spanevent" if context == "event" else "span", text, answer


def requests():
    rng, data = random.Random(9), (HERE / "spans.bin").read_bytes()
    while data:
        size = struct.unpack("<I", data[:4])[0]
        yield data[4:4 + size].replace(ONE_ID, ONE_ID[:2] + rng.randbytes(16))
        data = data[4 + size:]


def config(all_conditions):
    policies = [{"name": f"p{i}", "type": "ottl_condition",
                 "ottl_condition": {"error_mode": "propagate", context: [text.replace("$", "$$")]}}
                for i, (context, text, _) in enumerate(all_conditions)]
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": 14952}}}}
    return {"receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:14951"}}}},
            "processors": {"tail_sampling": {"decision_wait": "2s", "num_traces": 1000, "policies": policies}},
            "exporters": {"nop": {}},
            "service": {"telemetry": {"logs": {"level": "error"}, "metrics": {"level": "detailed", "readers": [reader]}},
                        "pipelines": {"traces": {"receivers": ["otlp"], "processors": ["tail_sampling"],
                                                 "exporters": ["nop"]}}}}


def counts():
    """By policy: traces sampled, and traces that it has decided."""
    sampled, decided = {}, {}
    for found in COUNT.finditer(urllib.request.urlopen(METRICS, timeout=10).read().decode()):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
        policy = labels["policy"]
        decided[policy] = decided.get(policy, 0) + float(found[2])
        if labels.get("decision", labels.get("sampled")) in ("sampled", "true"):
            sampled[policy] = sampled.get(policy, 0) + float(found[2])
    return sampled, decided


def until(what, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if what():
                return
        except urllib.error.URLError:
            pass
        time.sleep(0.2)
    sys.exit("the Collector did not come to it in time")


def main():
    all_conditions, all_requests = list(conditions()), list(requests())
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(config(all_conditions), file)
        file.flush()
        collector = subprocess.Popen([sys.argv[1], "--config", file.name], stderr=subprocess.DEVNULL)
        try:
            for body in all_requests:  # the first as soon as it listens
                request = urllib.request.Request("http://127.0.0.1:14951/v1/traces", data=body,
                                                 headers={"Content-Type": "application/x-protobuf"})
                until(lambda: urllib.request.urlopen(request, timeout=10).status == 200, 60)
            until(lambda: counts()[1].get("p0", 0) >= len(all_requests), 60)
            sampled = counts()[0]
        finally:
            collector.terminate()
            collector.wait()
    wrong = 0
    for i, (_, text, answer) in enumerate(all_conditions):
        if sampled.get(f"p{i}", 0) != answer.count("1"):
            print(f"{text}: {sampled.get(f'p{i}', 0):.0f} traces, not {answer.count('1')}")
            wrong += 1
    print(f"{len(all_conditions)} conditions, {wrong} differ")
    sys.exit(wrong != 0)


main()
