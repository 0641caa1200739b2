# SPDX-License-Identifier: Apache-2.0
"""apply, diff, undo, --confirm: live under load, all or nothing, and no span lost or decided by the wrong config."""
import signal
import threading
import urllib.request

import otlp
from harness import Daemon, run_story, tailgen, wait_for
from sink import Sink

NONE = "\n    - {name: none, type: string_attribute, string_attribute: {key: nobody.sets.this, values: [x]}}"
ALL = "\n    - {name: all, type: always_sample}"


def post(d, spans):
    request = urllib.request.Request(f"http://127.0.0.1:{d.port}/v1/traces", otlp.request(spans),
                                     {"content-type": "application/x-protobuf"})
    assert urllib.request.urlopen(request, timeout=10).status == 200


def a_new_policy_applies_to_traces_that_begin_after_it():
    with Sink() as sink, Daemon(policies=NONE, wait="1s", rules="[]", lcores=2,
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        first = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 2000, "--seed", 1)
        d.settle()
        diff = d.tailctl("config", "diff", d.write_config(policies=ALL))
        assert "tail_sampling.policies" in str(diff), diff
        d.tailctl("config", "apply", d.config)
        d.in_force()
        second = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 2000, "--seed", 2)
        audit = d.settle()
        assert audit["kept_spans"] == second["spans_acknowledged"], audit
        assert sum(audit["dropped_spans"].values()) == first["spans_acknowledged"]
        d.tailctl("config", "undo")
        d.in_force()
        third = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 1000, "--seed", 3)
        audit = d.settle()
        assert sum(audit["dropped_spans"].values()) == first["spans_acknowledged"] + third["spans_acknowledged"]


def applying_under_load_loses_nothing():
    with Sink() as sink, Daemon(policies=ALL, wait="500ms", lcores=4,
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        reports = []
        load = threading.Thread(target=lambda: reports.append(
            tailgen("--to", f"127.0.0.1:{d.port}", "--rate", 20000, "--duration", "6s", "--connections", 4)))
        load.start()
        swaps = 0
        while load.is_alive():
            code, answer = d.tailctl("config", "apply", d.write_config(
                rules='[{keys: ["user.id"], action: demote}]' if swaps % 2 else "[]",
                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}', timeout: {5 + swaps % 3}s}}]"),
                check=False)
            assert code == 0 or "try again" in str(answer), answer
            swaps += code == 0
        load.join()
        audit = d.settle()
        spans = reports[0]["spans_acknowledged"]
        assert swaps > 3 and audit["kept_spans"] == spans, (swaps, audit)
        assert len({otlp.first(s, 1) + otlp.first(s, 2) for _, _, s in sink.spans()}) == spans
        print(f"{swaps} configs under load")


def a_bad_config_is_refused_whole():
    with Daemon() as d:
        before = d.tailctl("status")
        for change, said in [({"rules": "[{keys: [a], action: melt}]"}, "melt"), ({"extra": "no_such_key: 1"}, "no_such_key"),
                             ({"policies": "\n    - {name: x, type: psychic}"}, "psychic"),
                             ({"backends": f"[{{name: us, kind: otlp_http, endpoint: 'http://127.0.0.1:{d.port}'}}]"},
                              "our own listener")]:
            saved = dict(d.options)
            code, answer = d.tailctl("config", "apply", d.write_config(**change), check=False)
            d.options = saved
            assert code == 1 and said in str(answer), (code, answer)
        code, answer = d.tailctl("config", "apply", d.write_config(lcores=3), check=False)
        assert code == 1 and "lcores.count" in str(answer), answer
        d.write_config(lcores=1)
        assert d.tailctl("status")["config"]["epoch"] == before["config"]["epoch"]


def a_config_that_nobody_confirms_rolls_back():
    with Daemon(policies=NONE) as d:
        d.tailctl("config", "apply", d.write_config(policies=ALL), "--confirm", "3s")
        assert "always_sample" in str(d.tailctl("policies"))
        wait_for(lambda: "always_sample" not in str(d.tailctl("policies")), "the roll-back")


def what_looks_at_shapes_needs_their_memory():
    """Refused, live and by SIGHUP, where no memory was taken at start; `shape: always` takes it, and then it decides."""
    queries = "\n    - {name: queries, type: n_plus_one, n_plus_one: {min_siblings: 5}}"
    sampler = "\n    - {name: keys, type: ema_dynamic, ema_dynamic: {field_list: [service.name]}}"
    with Daemon(policies=NONE, wait="500ms") as d:
        for policies, path in (NONE + queries, "policies[1]"), (sampler, "policies[0]"):
            code, answer = d.tailctl("config", "apply", d.write_config(policies=policies), check=False)
            assert code == 1 and path in str(answer) and "restart, or start with tail_sampling.shape: always" in str(answer), answer
        d.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "config.refused" in d.read_log(), "SIGHUP to be refused")
        assert "looks at the shape of traces" in d.read_log()
        assert d.tailctl("status")["config"]["epoch"] == 1
    with Daemon(policies=NONE + "\n  shape: always", wait="500ms") as d:
        d.write_config(policies=NONE + queries + "\n  shape: always")
        d.process.send_signal(signal.SIGHUP)
        wait_for(lambda: d.tailctl("status")["config"]["epoch"] == 2, "SIGHUP to be taken")
        d.in_force()
        calls = [otlp.span(b"asks six times..", n.to_bytes(8, "big"), parent=b"the page" if n > 1 else b"",
                           attributes=[("db.query.text", f"SELECT * FROM t WHERE id = {n}")]) for n in range(1, 8)]
        post(d, calls)
        d.settle()
        rows = {row["name"]: row for row in d.tailctl("policies")["policies"]}
        assert rows["queries"]["traces_kept"] == 1 and rows["queries"]["spans_kept"] == len(calls), rows


run_story(a_new_policy_applies_to_traces_that_begin_after_it, applying_under_load_loses_nothing,
          a_bad_config_is_refused_whole, what_looks_at_shapes_needs_their_memory, a_config_that_nobody_confirms_rolls_back)
