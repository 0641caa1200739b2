# SPDX-License-Identifier: Apache-2.0
"""A backend that gets a part of the spans counts all of them: by tailrace.adjusted_count, or by OpenTelemetry's thresholds.
Late spans carry what their trace was decided with, whatever the config became; what nothing is added to stays as it was."""
import collections
import math
import random
import struct
import subprocess

import otlp
from harness import TAILRACED, Daemon, export, run_story, wait_for
from sink import Sink

ERRORS = "\n    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
BASELINE = "\n    - {name: baseline, type: probabilistic, probabilistic: {sampling_percentage: 10}}"
QUARTER = "\n    - {name: quarter, type: probabilistic, probabilistic: {mode: equalizing, sampling_percentage: 25}}"
ATTRIBUTE = "\n  adjusted_count: attribute\n  policy_attribute: true"
TRACESTATE = "\n  adjusted_count: tracestate"


def to_sink(sink, **options):
    return Daemon(rules="[]", wait="1s", backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]", **options)


def send(d, spans, service="shop"):
    for at in range(0, len(spans), 100):
        export(d.port, spans[at:at + 100], service)


def attributes(span):
    """Key to value, of strings and doubles; no key comes twice."""
    found = {}
    for number, _, pair in otlp.fields(span):
        if number != 9:
            continue
        key, value = otlp.first(pair, 1).decode(), otlp.first(pair, 2)
        assert key not in found, key
        kind, _, value = next(otlp.fields(value))
        found[key] = struct.unpack("<d", value)[0] if kind == 4 else value.decode() if kind == 1 else value
    return found


def without_ours(span):
    """What is left of a span's fields."""
    return [f for f in otlp.fields(span) if f[0] != 9 or not otlp.first(f[2], 1).startswith(b"tailrace.")]


def ids(seed, count):
    draw = random.Random(seed)
    return [draw.randbytes(16) for _ in range(count)]


def spans_of(trace_ids, error_every=0, per_trace=3):
    return [otlp.span(i, struct.pack(">Q", n * 10 + k + 1), name=f"op{n % 3}", error=error_every and n % error_every == 0,
                      attributes=[("user.id", f"u{n}")]) for n, i in enumerate(trace_ids) for k in range(per_trace)]


def counts_are_estimated_from_what_is_kept():
    traces = ids(1, 4000)
    sent = spans_of(traces, error_every=20)
    by_id = {otlp.first(s, 1) + otlp.first(s, 2): s for s in sent}
    with Sink() as sink, to_sink(sink, lcores=4, policies=ERRORS + BASELINE + ATTRIBUTE) as d:
        send(d, sent)
        audit = d.settle()
        sums, squares = collections.Counter(), collections.Counter()
        for _, _, span in sink.spans():
            ours = attributes(span)
            error = otlp.first(span, 15) != b""
            assert ours["tailrace.policy"] == ("errors" if error else "baseline"), ours
            assert ours["tailrace.adjusted_count"] == (1 if error else 10), ours
            assert without_ours(span) == list(otlp.fields(by_id[otlp.first(span, 1) + otlp.first(span, 2)]))
            sums[otlp.first(span, 5), error] += ours["tailrace.adjusted_count"]
        truth = collections.Counter((otlp.first(s, 5), otlp.first(s, 15) != b"") for s in sent)
        for key, there_were in truth.items():
            # Three spans of a trace are kept together: 3 x 10 each time.
            deviation = 0 if key[1] else math.sqrt(there_were / 3 * 90) * 3
            assert abs(sums[key] - there_were) <= 4 * deviation, (key, there_were, sums[key])
        assert d.counter("attributes_total", action="add") == 2 * audit["kept_spans"]
        why = d.tailctl("traces", "why", traces[0].hex())
        assert why["probability"] == 1 and why["policy"] == "errors", why
        print(f"{audit['kept_spans']} of {len(sent)} spans: {dict(sums)} for {dict(truth)}")


def what_a_limit_lets_through_stands_for_what_asked():
    limit = "\n    - {name: limit, type: rate_limiting, rate_limiting: {spans_per_second: 300, burst_capacity: 300}}"
    sent = spans_of(ids(9, 6000), error_every=50)
    with Sink() as sink, to_sink(sink, lcores=2, policies=ERRORS + limit + ATTRIBUTE) as d:
        send(d, sent)
        d.settle()
        kept, counted = collections.Counter(), collections.Counter()
        for _, _, span in sink.spans():
            error = otlp.first(span, 15) != b""
            kept[error] += 1
            counted[error] += attributes(span)["tailrace.adjusted_count"]
        assert kept[True] == counted[True] == 360, (kept, counted)
        truth = len(sent) - 360
        assert 100 < kept[False] < truth / 10, kept
        # In each tick by a chance of its own; three spans of a trace go together.
        assert abs(counted[False] - truth) < 5 * truth / math.sqrt(kept[False] / 3), (kept, counted, truth)
        print(f"{kept[False]} spans within a limit stand for {counted[False]:.0f} of {truth}")


def late_spans_carry_their_trace_s_decision():
    first, second, third = ids(2, 3)

    def of(span_id):
        return [attributes(s) for _, _, s in sink.spans() if otlp.first(s, 2) == span_id]

    with Sink() as sink, to_sink(sink, policies=ERRORS + BASELINE + ATTRIBUTE) as d:
        send(d, [otlp.span(first, b"12345678", error=True)])
        d.settle()
        send(d, [otlp.span(first, b"late0001")])
        wait_for(lambda: of(b"late0001"), "a late span")
        d.tailctl("config", "apply", d.write_config(policies="\n    - {name: other, type: always_sample}" + ATTRIBUTE))
        send(d, [otlp.span(second, b"22345678")])
        wait_for(lambda: of(b"22345678"), "a trace under the new config")
        send(d, [otlp.span(first, b"late0002")])
        wait_for(lambda: of(b"late0002"), "a late span under the new config")
        for span_id, policy in [(b"12345678", "errors"), (b"late0001", "errors"), (b"late0002", "errors"), (b"22345678", "other")]:
            assert of(span_id) == [{"tailrace.policy": policy, "tailrace.adjusted_count": 1}], (span_id, of(span_id))
        # As thresholds: not those of a draw that nobody else knows.
        d.tailctl("config", "apply", d.write_config(policies=ERRORS + TRACESTATE))
        d.in_force()
        send(d, [otlp.span(first, b"late0003")])
        # Off again: what begins now leaves as it came.
        d.tailctl("config", "apply", d.write_config(policies=ERRORS))
        d.in_force()
        bare = otlp.span(third, b"32345678", error=True)
        send(d, [otlp.span(first, b"late0004"), bare])
        d.settle()
        wait_for(lambda: of(b"late0003") and of(b"late0004") and of(b"32345678"), "late spans of it, and a new one")
        for span_id in (b"late0003", b"late0004"):
            assert of(span_id) == [{"tailrace.policy": "errors", "tailrace.adjusted_count": 1}], (span_id, of(span_id))
        assert bare in [s for _, _, s in sink.spans()]
        # On: what was decided without it stays without it.
        d.tailctl("config", "apply", d.write_config(policies=ERRORS + ATTRIBUTE))
        d.in_force()
        send(d, [otlp.span(third, b"late0005")])
        wait_for(lambda: of(b"late0005"), "a late span of a trace that had none")
        assert of(b"late0005") == [{}], of(b"late0005")
        d.settle()
        why = d.tailctl("traces", "why", first.hex())  # its config is gone
        assert why["policy"] == "errors" and why["probability"] == 1 and why["late_spans"] == 4, why


def thresholds_are_written_and_honoured():
    traces = ids(3, 3000)
    sent = {}
    for n, i in enumerate(traces):
        r = int.from_bytes(i[9:], "big")
        rv = random.Random(n).getrandbits(56) if n % 3 == 0 else None
        state = [] if rv is None else [f"rv:{rv:014x}"]
        r = r if rv is None else rv
        if n % 2:
            if r < 1 << 55:
                continue  # the sampler before has not let it through
            state.append("th:8")
        span = otlp.span(i, struct.pack(">Q", n + 1), error=n % 10 == 0)
        other = [["vendor=x"], [], ["vendor=x", "b@c=y"]][n % 3]
        text = ",".join(other + (["ot=" + ";".join(state)] if state else []))
        sent[i] = (r, n, other, span + otlp.put(3, text) if text else span)
    with Sink() as sink, to_sink(sink, lcores=2, policies=ERRORS + QUARTER + TRACESTATE) as d:
        send(d, [s for _, _, _, s in sent.values()] + [otlp.span(b"malformed trace!", b"12345678", error=True) + otlp.put(3, "a==,ot=")])
        d.settle()
        total, kept = 0, set()
        for _, _, span in sink.spans():
            state = otlp.first(span, 3).decode()
            if otlp.first(span, 1) == b"malformed trace!":
                assert state == "a==,ot=", state
                continue
            r, n, other, came = sent[otlp.first(span, 1)]
            members = state.split(",")
            assert members[0].startswith("ot=") and members[1:] == other, state
            ot = dict(pair.split(":") for pair in members[0][3:].split(";"))
            th = int(ot["th"].ljust(14, "0"), 16)
            assert r >= th, (state, r)
            want = 0xc0000000000000 if n % 10 else 1 << 55 if n % 2 else 0
            assert th == want, (state, n)
            assert ("rv" in ot) == (n % 3 == 0)
            assert [f for f in otlp.fields(span) if f[0] != 3] == [f for f in otlp.fields(came) if f[0] != 3]
            total += 2 ** 56 / (2 ** 56 - th)
            kept.add(otlp.first(span, 1))
        assert kept == {i for i, (r, n, _, _) in sent.items() if n % 10 == 0 or r >= 0xc0000000000000}
        assert abs(total - len(traces)) < 4 * math.sqrt(len(traces) * 3), total
        assert d.counter("trace_states_total", what="malformed") == 1
        assert d.counter("trace_states_total", what="inconsistent") == 0
        print(f"{len(kept)} kept stand for {total:.0f} of {len(traces)}")


def what_can_not_be_counted_is_refused():
    said = "policies[1].probabilistic.mode: draws by itself; tail_sampling.adjusted_count: tracestate needs consistent sampling"
    with Daemon(policies=ERRORS + BASELINE) as d:
        code, answer = d.tailctl("config", "apply", d.write_config(policies=ERRORS + BASELINE + TRACESTATE), check=False)
        assert code == 1 and said in str(answer), answer
        done = subprocess.run([TAILRACED, "-c", d.config, "--check"], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and said in done.stderr + done.stdout, done
        assert d.tailctl("status")["config"]["epoch"] == 1
        done = subprocess.run([TAILRACED, "-c", d.write_config(policies=ERRORS + QUARTER + TRACESTATE), "--check"],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done


run_story(counts_are_estimated_from_what_is_kept, what_a_limit_lets_through_stands_for_what_asked,
          late_spans_carry_their_trace_s_decision, thresholds_are_written_and_honoured, what_can_not_be_counted_is_refused)
