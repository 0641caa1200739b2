# SPDX-License-Identifier: Apache-2.0
"""The Collector's block in the whole daemon: what a Collector kept of a corpus is kept, with one lcore and with several;
and the options that say when."""
import gzip
import os
import re
import sys
import time

import otlp
from harness import Daemon, export, post, run_story, wait_for
from sink import Sink

HERE = os.path.join(os.environ["TAILRACE_SOURCE"], "tests/differential/collector")
sys.path.insert(0, HERE)
import corpus

TRACES = 3000  # of the 100,000 in golden.gz
GOLDEN_BYTES = 100000 // 8


def configs():
    with open(os.path.join(HERE, "configs.txt")) as file:
        parts = re.split(r"^=== (\w+)\n", file.read(), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2]))


def golden(name):
    """The numbers of the traces that the Collector kept."""
    with gzip.open(os.path.join(HERE, "golden.gz")) as file:
        file.seek(list(configs()).index(name) * GOLDEN_BYTES)
        bits = file.read(GOLDEN_BYTES)
    return {n for n in range(TRACES) if bits[n // 8] >> n % 8 & 1}


def backend(sink):
    return f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]"


def policies(name):
    return "\n" + configs()[name].split("policies:\n")[1].rstrip("\n").replace("  - ", "    - ")


def kept(name, lcores, bodies):
    with Sink() as sink, Daemon(lcores=lcores, wait="300ms", policies=policies(name), rules="[]",
                                backends=backend(sink)) as daemon:
        for body in bodies:
            assert post(daemon.port, body)[0] == 200
        daemon.settle()
        return {trace: len(spans) for trace, spans in sink.traces().items()}


def what_the_collector_keeps_is_kept_whatever_the_number_of_lcores():
    bodies = list(corpus.requests(TRACES))
    spans = {}
    for body in bodies:
        for _, _, span in otlp.spans(body):
            trace = otlp.first(span, 1).hex()
            spans[trace] = spans.get(trace, 0) + 1
    # Traces without a start are difference 2 of docs/collector-compat.md.
    ids = {n: corpus.trace_id(n).hex() for n in range(TRACES) if not corpus.no_start(n)}
    for name in ("many", "drop_last", "every_type", "regex_lines"):
        want = {ids[n] for n in golden(name) & ids.keys()}
        for lcores in (1, 4):
            all_kept = kept(name, lcores, bodies)
            got = {trace: all_kept[trace] for trace in ids.values() if trace in all_kept}
            assert set(got) == want, (name, lcores, len(set(got) - want), len(want - set(got)))
            assert all(count == spans[trace] for trace, count in got.items()), (name, lcores)
        print(name, len(want))


def a_root_that_has_come_ends_the_wait():
    with Sink() as sink, Daemon(wait="60s\n  decision_wait_after_root_received: 500ms", rules="[]",
                                policies="\n    - {name: all, type: always_sample}", backends=backend(sink)) as daemon:
        rooted, waiting = os.urandom(16), os.urandom(16)
        begin = time.monotonic()
        export(daemon.port, [otlp.span(waiting, os.urandom(8), parent=os.urandom(8)), otlp.span(rooted, os.urandom(8))])
        wait_for(lambda: sink.traces(), "the trace with a root")
        assert time.monotonic() - begin >= 0.5
        assert list(sink.traces()) == [rooted.hex()]
        assert daemon.audit()["held_spans"] == 1


def pending_traces_are_given_up_at_shutdown_if_told_to():
    for drop in ("true", "false"):
        with Sink() as sink, Daemon(wait=f"60s\n  drop_pending_traces_on_shutdown: {drop}", rules="[]",
                                    policies="\n    - {name: all, type: always_sample}", backends=backend(sink)) as daemon:
            export(daemon.port, [otlp.span(os.urandom(16), os.urandom(8))])
            wait_for(lambda: daemon.audit()["held_spans"] == 1, "the span to be held")
            assert daemon.stop() == 0
            assert len(sink.traces()) == (0 if drop == "true" else 1), drop


run_story(what_the_collector_keeps_is_kept_whatever_the_number_of_lcores, a_root_that_has_come_ends_the_wait,
          pending_traces_are_given_up_at_shutdown_if_told_to)
