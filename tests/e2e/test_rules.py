# SPDX-License-Identifier: Apache-2.0
"""The rules of conf/rules.yaml on real requests: which rule it was stands in `traces why`, in `policies` and in the
metrics. Then a dynamic sampler on two lcores: a frequent key is thinned out, rare ones are kept."""
import json
import os
import time

import yaml

import otlp
from harness import Daemon, export, run_story, wait_for
from sink import Sink

MS = 1_000_000


def new_id():
    return os.urandom(15) + b"\x01"


def span(trace, service, route=None, ms=1, error=False, child=False, attributes=()):
    attributes = list(attributes) + ([("http.route", route)] if route else [])
    return otlp.span(trace, os.urandom(7) + b"\x01", duration=ms * MS, error=error, parent=b"parent!!" if child else b"",
                     attributes=attributes), service


def send(d, *spans):
    for one, service in spans:
        export(d.port, [one], service)


def policies_of_the_example():
    source = os.environ["TAILRACE_SOURCE"]
    with open(os.path.join(source, "conf/rules.yaml")) as f:
        return yaml.safe_load(f)["tail_sampling"]["policies"]


def the_first_rule_that_matches_decides():
    stories = {
        "health checks": ("dropped", lambda t: [span(t, "web", "/healthz"), span(t, "web", error=True, child=True)]),
        "errors": ("kept", lambda t: [span(t, "web", "/cart"), span(t, "cart", error=True, child=True)]),
        "slow checkout": ("kept", lambda t: [span(t, "web", "/buy"), span(t, "checkout", ms=1500, child=True)]),
        "server errors without a status": ("kept", lambda t: [span(t, "web", attributes=[("http.status_code", "503")])]),
        "never ended": (None, lambda t: [span(t, "web", "/buy", child=True)]),
        # Slow, and of checkout: but not the same span.
        "the rest": (None, lambda t: [span(t, "web", "/buy", ms=1500), span(t, "checkout", child=True)]),
    }
    with Sink() as sink, Daemon(wait="1s", lcores=2, rules="[]", policies=" " + json.dumps(policies_of_the_example()),
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        traces = {rule: new_id() for rule in stories}
        for rule, (_, spans) in stories.items():
            send(d, *spans(traces[rule]))
        d.settle()
        for rule, (fate, _) in stories.items():
            why = d.tailctl("traces", "why", traces[rule].hex())
            assert why["policy"] == "rules/" + rule, (rule, why)
            assert fate in (None, why["fate"]), (rule, why)
        kept = set(sink.traces())
        assert kept >= {traces[r].hex() for r, (f, _) in stories.items() if f == "kept"}, kept
        assert traces["health checks"].hex() not in kept
        rows = {row["name"]: row for row in d.tailctl("policies")["policies"]}
        for rule, (fate, _) in stories.items():
            row = rows["rules/" + rule]
            assert row["traces_seen"] == 1, row
            assert fate != "kept" or (row["traces_kept"], row["traces_dropped"]) == (1, 0), row
            assert fate != "dropped" or (row["traces_kept"], row["traces_dropped"]) == (0, 1), row
        assert rows["rules"]["traces_seen"] == len(stories)
        assert d.counter("policy_traces_kept_total", policy="rules/errors") == 1
        assert d.counter("policy_traces_dropped_total", policy="rules/health checks") == 1


def rates_follow_the_keys():
    policy = {"name": "rules", "type": "rules", "rules": {"rules": [{"name": "by key", "sampler": {"ema_dynamic": {
        "goal_sample_rate": 10, "adjustment_interval": "1s", "burst_multiple": -1, "field_list": ["root.http.route"]}}}]}}
    with Sink() as sink, Daemon(wait="300ms", wait_min="100ms", lcores=2, rules="[]", policies=" " + json.dumps([policy]),
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        sent = {}

        def burst():
            for route, count in (("/often", 200), ("/rare", 1), ("/seldom", 2)):
                ids = [new_id() for _ in range(count)]
                spans = [s for t in ids for s in (span(t, "web", route)[0], span(t, "web", "/inner", child=True)[0])]
                export(d.port, spans, "web")
                sent.setdefault(route, []).extend(t.hex() for t in ids)
            d.settle()

        def shares():
            kept = set(sink.traces())
            return {route: sum(t in kept for t in ids) / len(ids) for route, ids in sent.items()}

        def learned():
            burst()
            return d.counter("sampler_rates_total", sampler="rules/by key") >= 2

        wait_for(learned, "rates by what came", 60)
        sent.clear()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            burst()
        found = shares()
        assert found["/rare"] == 1 and found["/seldom"] == 1, found
        assert 0.02 < found["/often"] < 0.25, found
        why = d.tailctl("traces", "why", sent["/often"][0])
        assert why["policy"] == "rules/by key", why


run_story(the_first_rule_that_matches_decides, rates_follow_the_keys)
