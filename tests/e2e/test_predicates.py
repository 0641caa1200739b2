# SPDX-License-Identifier: Apache-2.0
"""As many conditions as fit one word, one more, and hundreds; and one more than there may be."""
import subprocess
import urllib.request

import otlp
from harness import TAILRACED, Daemon, run_story
from sink import Sink

MOST = 512


def conditions(count):
    return "".join(f"\n    - {{name: p{i}, type: string_attribute, string_attribute: {{key: k, values: [v{i}]}}}}"
                   for i in range(count)) + "\n  policy_attribute: true"


def post(d, body):
    request = urllib.request.Request(f"http://127.0.0.1:{d.port}/v1/traces", body, {"content-type": "application/x-protobuf"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200


def trace_id(run, i):
    return b"\x01" * 8 + run.to_bytes(4, "big") + i.to_bytes(4, "big")


def policy_of(span):
    """Its attribute tailrace.policy."""
    return next(otlp.first(otlp.first(value, 2), 1).decode() for number, _, value in otlp.fields(span)
                if number == 9 and otlp.first(value, 1) == b"tailrace.policy")


def decided(d, sink, run, count):
    """Traces that have what one condition wants, for conditions in every word, are kept by its policy; others are not."""
    wanted = {i for i in (0, 1, 62, 63, 64, 65, 127, 128, 320, 383, 384, 447, 448, count - 1) if i < count}
    for i in wanted | {count, count + 1, count + 64}:
        for number in (1, 2):  # by two connections
            attributes = [("k", f"v{i}")] if number == 2 else []
            post(d, otlp.request([otlp.span(trace_id(run, i), number.to_bytes(8, "big"), attributes=attributes)], "shop"))
    d.settle()
    said = {}
    for _, _, span in sink.spans():
        id = otlp.first(span, 1)
        if id[8:12] == run.to_bytes(4, "big"):
            said.setdefault(int.from_bytes(id[12:], "big"), []).append(policy_of(span))
    assert said == {i: [f"p{i}"] * 2 for i in wanted}, (run, count, said)


def every_condition_has_its_bit():
    """64, 65 and 500 of them, as they come with a config that is applied: what they need beside the trace's entry is taken
    then."""
    with Sink() as sink, Daemon(policies=conditions(64), wait="300ms", wait_min="100ms", rules="[]", lcores=2,
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        decided(d, sink, 0, 64)
        for run, count in enumerate((65, 500), 1):
            d.tailctl("config", "apply", d.write_config(policies=conditions(count)))
            d.in_force()
            decided(d, sink, run, count)
        epoch = d.tailctl("status")["config"]["epoch"]
        code, answer = d.tailctl("config", "apply", d.write_config(policies=conditions(MOST + 1)), check=False)
        assert code == 1 and f"policies[{MOST}]" in str(answer) and f"more than {MOST} different" in str(answer), answer
        assert d.tailctl("status")["config"]["epoch"] == epoch
        decided(d, sink, 3, 500)  # nothing was applied: the 500 decide on
        d.write_config(policies=conditions(500))


def one_more_than_there_may_be_is_refused():
    d = Daemon(policies=conditions(MOST))
    try:
        for count in (64, 65, 500, MOST, MOST + 1):
            done = subprocess.run([TAILRACED, "-c", d.write_config(policies=conditions(count)), "--check"],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == (count > MOST), (count, done)
        with open(d.config) as f:
            line = next(n for n, text in enumerate(f, 1) if f"name: p{MOST}," in text)
        assert f"line {line}: " in done.stderr and f"policies[{MOST}]" in done.stderr, done.stderr
        assert f"more than {MOST} different conditions" in done.stderr, done.stderr
    finally:
        d.remove()


run_story(every_condition_has_its_bit, one_more_than_there_may_be_is_refused)
