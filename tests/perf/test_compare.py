# SPDX-License-Identifier: Apache-2.0
"""perf/compare on recorded numbers: the shape of its result, its ratios, and what makes a row void."""
import copy
import json
import os
import subprocess
import sys
import tempfile
import unittest

ROOT = sys.argv[1]
sys.path.insert(0, os.path.join(ROOT, "perf/compare.d"))

import peers  # noqa: E402
from process import Failed, Group, wait_for  # noqa: E402
from report import combine, report, table  # noqa: E402
from row import bytes_per_span, journal_bytes  # noqa: E402
from subjects import Tailrace, fill, policies  # noqa: E402

with open(os.path.join(ROOT, "tests/perf/recorded.json")) as recorded_file:
    RECORDED = json.load(recorded_file)


def result():
    return report([combine(copy.deepcopy(rows)) for rows in RECORDED["rows"].values()])


def metric_faults(**changed):
    marks = copy.deepcopy([RECORDED["begin"], RECORDED["end"], RECORDED["after"]])
    for name, value in changed.items():
        for mark in marks[1:]:
            if "tailrace_" + name in mark:
                mark["tailrace_" + name] = value
    return Tailrace.faults_of_metrics(*marks)


def audit_faults(accepted=None, **changed):
    audit = dict(RECORDED["audit"], **changed)
    return Tailrace.faults_of_audit(audit, audit["accepted_spans"] if accepted is None else accepted)


class Report(unittest.TestCase):
    def test_has_the_fields_that_scripts_rely_on(self):
        answer = json.loads(json.dumps(result()))
        self.assertEqual(set(answer), {"rows", "ratios"})
        self.assertEqual(set(answer["ratios"]), {"kernel", "memif", "thirty"})
        for row in answer["rows"]:
            self.assertLessEqual({"name", "cpu_s_per_mspan", "spans_per_s", "bytes_per_buffered_span", "valid", "reasons"},
                                 set(row))
            self.assertEqual(row["valid"], not row["reasons"])
        for kind in (answer["ratios"]["kernel"], answer["ratios"]["memif"]):
            self.assertLessEqual({"collector_tail", "rotel"}, set(kind))

    def test_a_ratio_is_the_peers_cost_over_ours(self):
        self.assertEqual(result()["ratios"]["kernel"]["collector_tail"], round(9.75 / 0.502, 2))
        self.assertEqual(result()["ratios"]["kernel"]["rotel"], round(6.269 / 0.502, 2))

    def test_no_ratio_comes_of_a_void_row(self):
        self.assertIsNone(result()["ratios"]["memif"]["collector_tail"])

    def test_a_row_is_void_unless_most_of_its_repetitions_count(self):
        rows = copy.deepcopy(RECORDED["rows"]["tailrace_kernel"])
        self.assertTrue(combine(rows)["valid"])
        rows[1].update(valid=False, reasons=["for the test"])
        self.assertFalse(combine(rows)["valid"])

    def test_the_table_shows_each_row_and_why_one_is_void(self):
        text = table(result())
        for name in RECORDED["rows"]:
            self.assertIn(name, text)
        self.assertIn("unknown key", text)
        self.assertIn("19.42", text)


class Void(unittest.TestCase):
    def test_a_good_run_has_no_fault(self):
        self.assertEqual(metric_faults() + audit_faults(), [])

    def test_an_lcore_that_waited(self):
        self.assertIn("busy in 94.3 %", metric_faults(lcore_turns_busy_total=1199000 + 283000)[0])

    def test_no_turn_at_all(self):
        self.assertEqual(len(metric_faults(lcore_turns_total=1200400, lcore_turns_busy_total=1199000)), 1)

    def test_a_journal_that_wrapped_once(self):
        self.assertIn("wrapped 1.98 times", metric_faults(journal_bytes_committed_total=34e9)[0])

    def test_a_short_horizon(self):
        self.assertIn("9.99 s", metric_faults(lcore_horizon_shortest_seconds=9.99)[0])
        self.assertTrue(metric_faults(lcore_horizon_shortest_seconds=0))

    def test_spans_evicted_decided_early_or_refused(self):
        for what in ("evicted_spans", "decided_early_spans", "rejected_spans"):
            self.assertEqual(len(audit_faults(**{what: {"for": 1}})), 1)

    def test_accounts_that_do_not_add_up(self):
        self.assertTrue(audit_faults(balanced=False))
        self.assertTrue(audit_faults(accepted=1))


class Parts(unittest.TestCase):
    def test_what_is_buffered_came_within_decision_wait(self):
        marks = [{"seconds": 60 + s, "spans_acknowledged": 1000 * s} for s in range(16)]
        self.assertEqual(bytes_per_span(5000000, marks), 500)
        self.assertIsNone(bytes_per_span(5000000, marks[:5]))

    def test_a_journal_reaches_back_decision_wait(self):
        gib = 1 << 30
        self.assertEqual(journal_bytes(0.69e9, 100 * gib), 16 * gib)
        self.assertEqual(journal_bytes(0.83e9, 12 * gib), 8 * gib)
        self.assertEqual(journal_bytes(1.45e9, 24 * gib), 16 * gib)
        for rate, room in ((1.7e9, 24 * gib), (0.69e9, 8 * gib)):
            with self.assertRaisesRegex(Failed, "does not fit"):
                journal_bytes(rate, room)

    def test_processes_end_with_their_group_and_are_measured(self):
        with tempfile.TemporaryDirectory() as folder:
            with Group() as group:
                process = group.start(["sleep", "60"], min(os.sched_getaffinity(0)), os.path.join(folder, "log"))
                process.alive_or_fail()
                self.assertGreater(process.memory_bytes(), 0)
                self.assertGreaterEqual(process.cpu_seconds(), 0)
            self.assertFalse(process.is_alive())

    def test_a_process_that_ended_says_why(self):
        with tempfile.TemporaryDirectory() as folder, Group() as group:
            process = group.start(["sh", "-c", "echo error: no such thing >&2; exit 3"], min(os.sched_getaffinity(0)),
                                  os.path.join(folder, "log"))
            wait_for(lambda: not process.is_alive(), "sh to end", 30)
            with self.assertRaisesRegex(Failed, "ended with 3: error: no such thing"):
                process.alive_or_fail()

    def test_nothing_is_built_when_told_not_to(self):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TAILRACE_PEERS"] = folder
            for peer in (peers.collector, peers.rotel):
                with self.assertRaises(peers.Missing):
                    peer(build=False)
            self.assertEqual(os.listdir(folder), [])

    def test_each_name_of_a_config_is_filled_in(self):
        names = {"PORT": 1, "WAIT": 10, "TRACES": 5, "SINK": 2, "POLICIES": policies("thirty", 6), "PIPELINE": "p"}
        self.assertNotIn("@", fill("collector.yaml", names).replace("@NAMES@", ""))


class Script(unittest.TestCase):
    def test_it_knows_its_rows(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "perf/compare"), "--rows", "nobody"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no such row: nobody", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
