# SPDX-License-Identifier: Apache-2.0
"""apply, diff, undo, --confirm: live under load, all or nothing, and no span lost or decided by the wrong config."""
import threading

import otlp
from harness import Daemon, run_story, tailgen, wait_for
from sink import Sink

NONE = "\n    - {name: none, type: string_attribute, string_attribute: {key: nobody.sets.this, values: [x]}}"
ALL = "\n    - {name: all, type: always_sample}"


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
        d.tailctl("config", "apply", d.write_config(policies=ALL), "--confirm", "1s")
        assert "always_sample" in str(d.tailctl("policies"))
        wait_for(lambda: "always_sample" not in str(d.tailctl("policies")), "the roll-back", 10)


run_story(a_new_policy_applies_to_traces_that_begin_after_it, applying_under_load_loses_nothing,
          a_bad_config_is_refused_whole, a_config_that_nobody_confirms_rolls_back)
