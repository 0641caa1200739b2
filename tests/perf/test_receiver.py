# SPDX-License-Identifier: Apache-2.0
"""The receiver of perf/compare, fed by tailgen itself, and its comparison with the truth."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import unittest

TAILGEN, RECEIVER = sys.argv[1:3]
SPANS = 3000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Ends(unittest.TestCase):
    """tailgen's spans, all of them, straight to the receiver."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.truth = os.path.join(self.folder.name, "truth")
        self.port = free_port()
        self.receiver = subprocess.Popen([RECEIVER, str(self.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end)
        self.ask("counts")  # it listens by now
        self.sent = self.send()

    def end(self):
        self.receiver.stdin.close()
        self.assertEqual(self.receiver.wait(30), 0)
        self.receiver.stdout.close()

    def send(self, *more):
        done = subprocess.run([TAILGEN, "--to", f"127.0.0.1:{self.port}", "--spans", str(SPANS), "--truth", self.truth,
                               "--error-rate", "20", "--progress", "--json", *more], capture_output=True, text=True,
                              timeout=50, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertTrue(lines[-2]["done"])
        self.assertEqual(lines[-2]["spans_acknowledged"], lines[-1]["spans_acknowledged"])
        return lines[-1]["spans_acknowledged"]

    def ask(self, command):
        self.receiver.stdin.write(command + "\n")
        self.receiver.stdin.flush()
        return json.loads(self.receiver.stdout.readline())

    def lines(self):
        with open(self.truth) as truth:
            return truth.read().splitlines()

    def test_counts_what_came(self):
        counts = self.ask("counts")
        self.assertEqual((counts["spans"], counts["malformed"]), (self.sent, 0))
        self.assertEqual(counts["traces"], len(self.lines()))
        self.assertGreater(counts["spans_with_keys"], 0)
        self.assertEqual(counts["spans_with_event"], 0)

    def test_all_that_was_sent_is_there(self):
        check = self.ask(f"check all {self.truth}")
        self.assertEqual((check["sent_spans"], check["expected_spans"]), (self.sent, self.sent))
        self.assertEqual([check[what] for what in ("missing", "superfluous", "partial", "unread")], [0] * 4)

    def test_what_a_sampler_would_have_dropped_is_superfluous(self):
        check = self.ask(f"check sampled {self.truth}")
        self.assertGreater(check["superfluous"], 0)
        self.assertEqual(check["superfluous"] + check["expected_traces"], check["sent_traces"])
        errors = sum(json.loads(line)["error"] for line in self.lines())
        self.assertGreaterEqual(check["expected_traces"], errors)
        self.assertGreater(errors, 0)

    def test_a_trace_that_did_not_come_or_not_whole_is_told(self):
        lines = self.lines()
        other = json.loads(lines[0])
        other["id"] = "00" * 16
        short = lines[1].replace('"spans": ', '"spans": 1')
        with open(self.truth, "w") as truth:
            truth.write("\n".join([json.dumps(other), short, *lines[2:], "no line of the truth"]) + "\n")
        check = self.ask(f"check all {self.truth}")
        self.assertEqual([check[what] for what in ("missing", "superfluous", "partial", "unread")], [1, 1, 1, 1])

    def test_a_compressed_message_is_read(self):
        before = self.ask("counts")["spans"]
        sent = self.send("--compression", "gzip", "--seed", "2")
        self.assertEqual(self.ask("counts")["spans"] - before, sent)

    def test_says_what_it_does_not_know(self):
        self.assertIn("error", self.ask("dance"))
        self.assertIn("error", self.ask("check all /no/such/file"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
