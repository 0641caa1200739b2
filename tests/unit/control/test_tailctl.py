#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tailctl against the fake: what people read, what scripts parse, and the exit codes."""
import json
import os
import pty
import select
import signal
import subprocess
import unittest

from fake_daemon import CONFIG, FakeDaemonTest

TRACE = "2" * 32


class Tailctl(FakeDaemonTest):
    def tailctl(self, *arguments, expect=0, text_in=None, **environment):
        run = subprocess.run([os.environ["TAILCTL"], "-s", self.socket, *arguments], input=text_in, text=True,
                             capture_output=True, timeout=30, env={**os.environ, **environment})
        self.assertEqual(run.returncode, expect, (arguments, run.stdout, run.stderr))
        return run

    def file(self, text):
        path = self.folder / "new.yaml"
        path.write_text(text)
        return str(path)

    def on_terminal(self, *arguments, done, columns=80, rows=24, **environment):
        """Run on a terminal until `done(output)`, then Ctrl-C; everything it wrote."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(os.environ["TAILCTL"], ["tailctl", "-s", self.socket, *arguments],
                      {**os.environ, "TERM": "xterm", **environment})
        import fcntl
        import struct
        import termios
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        output, killed = b"", False
        while select.select([terminal], [], [], 20)[0]:
            try:
                output += os.read(terminal, 65536)
            except OSError:
                break
            if done(output) and not killed:
                os.kill(pid, signal.SIGINT)
                killed = True
        os.close(terminal)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, output.decode()


class Reading(Tailctl):
    def test_every_reading_command_answers_people_and_scripts(self):
        for words in ("status", "stats", "audit", "policies", "backends", "ports", "connections", "services", "config show",
                      "traces why " + TRACE, "top --once"):
            run = self.tailctl(*words.split())
            self.assertTrue(run.stdout.strip(), words)
            self.assertEqual(run.stderr, "")
            self.assertNotRegex(run.stdout, r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", words)
            self.assertTrue(json.loads(self.tailctl("--json", *words.split()).stdout), words)

    def test_status(self):
        text = self.tailctl("status").stdout
        for part in ("0.0-fake", "running, ready", "epoch 1, applied 2023-11-14T22:13:21.500Z",
                     "none: the file is what runs", "no journal has wrapped yet", "3.0 MiB of 1.0 GiB",
                     "20 spans of 4 traces (room for 100.0k)", "accepted", "tempo", "otlp_grpc", "down"):
            self.assertIn(part, text)

    def test_what_room_was_missing_for_is_told(self):
        text = self.tailctl("status").stdout
        self.assertRegex(text, r"(?m)^decided early +0 +5\.1k$")
        self.assertRegex(text, r"(?m)^refused requests +0 +4\.8k$")
        self.assertRegex(self.tailctl("top", "--once").stdout, r"(?m)^ACCEPTED/s .* EARLY/s +REFUSED/s$")

    def test_services(self):
        text = self.tailctl("services").stdout
        self.assertRegex(text, r"(?m)^cart .* 50\.0 % +40 ")  # of two lcores: 80 of 160 that were good
        self.assertIn("a?[2Jb", text)
        self.assertIn("nothing is studied", text)
        rows = json.loads(self.tailctl("--json", "services").stdout)["services"]
        self.assertEqual([row["name"] for row in rows], ["a\033[2Jb", "cart"])
        cart = rows[1]
        self.assertEqual((cart["name"], cart["spans"], cart["kept_spans"]), ("cart", 200, 80))

    def test_drift_is_told(self):
        self.config.write_text("a: 3\n")
        self.assertIn("the file is not what runs", self.tailctl("status").stdout)

    def test_top_says_what_was_limited(self):
        text = self.tailctl("top", "--once").stdout
        self.assertRegex(text, r"(?m)^POLICY .* SHARE +LIMITED ")
        self.assertRegex(text, r"(?m)^errors .* % +4\.7k ")

    def test_bodies_have_a_table_of_their_own(self):
        for words in "backends", "status", "top --once":
            self.assertRegex(self.tailctl(*words.split()).stdout, r"(?m)^METRICS, LOGS .*\ntempo +40 +7 +5\.0 KiB +30 +3$", words)

    def test_columns_are_aligned(self):
        lines = self.tailctl("policies").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["POLICY", "TYPE", "SPANS", "KEPT", "TRACES", "KEPT", "ALONE", "DROPPED",
                                            "LIMITED", "NS/SPAN", "EXAMPLE"])
        self.assertEqual(lines[0].index("TYPE"), lines[1].index("status_code"))
        self.assertEqual(lines[1].index("status_code"), lines[2].index("latency"))
        self.assertEqual(lines[0].index("TRACES") + 6, lines[1].index("12.3k") + 5)
        self.assertEqual(lines[1].split()[-2:], ["7.0", "ab" + "0" * 30])  # 40 ns a trace of 10 spans, and 3 in the walk
        self.assertEqual(lines[2].split()[-1], "-")
        self.assertLessEqual(max(map(len, lines)), 120)

    def test_stats_are_summed_unless_each_lcore_is_asked_for(self):
        text = self.tailctl("stats", "fake_spans").stdout
        self.assertIn('   11  tailrace_fake_spans_total{outcome="good"}', text)
        text = self.tailctl("stats", "fake_spans", "--lcores").stdout
        self.assertIn('tailrace_fake_spans_total{outcome="good",lcore="1"}', text)
        rows = json.loads(self.tailctl("--json", "stats", "fake_spans").stdout)["stats"]
        self.assertEqual(sum(row["value"] for row in rows), 12)

    def test_a_prefix_is_a_prefix_whatever_is_in_it(self):
        for prefix in ("a b", "&x=y", "%s%n", "../", "\u00e9"):
            self.assertEqual(json.loads(self.tailctl("--json", "stats", prefix).stdout), {"stats": []})
            self.assertIn("no counter begins with that", self.tailctl("stats", prefix).stderr)

    def test_what_peers_say_cannot_steer_a_terminal(self):
        for words in ("connections", "backends", "status"):
            for run in (self.tailctl(words), self.tailctl("--json", words)):
                self.assertNotIn("\033", run.stdout)
                self.assertNotIn("\007", run.stdout)
        self.assertIn("evil?]0;x?/1.0", self.tailctl("connections").stdout)

    def test_why(self):
        self.assertIn("Kept by policy errors", self.tailctl("traces", "why", TRACE).stdout)
        self.assertIn("32 hex digits", self.tailctl("traces", "why", "abc", expect=1).stderr)
        for path in ("../../status?x", "a/b", "%2e%2e", ""):
            self.tailctl("traces", "why", path, expect=1)

    def test_audit_that_does_not_add_up(self):
        self.assertIn("balanced", self.tailctl("audit").stdout)
        self.command("unbalanced")
        text = self.tailctl("audit", expect=1).stdout
        self.assertIn("NOT balanced", text)
        self.assertIn("1 missing", text)
        self.assertIs(json.loads(self.tailctl("--json", "audit", expect=1).stdout)["balanced"], False)


class ConfigCommands(Tailctl):
    def test_apply_and_undo(self):
        self.assertIn("valid", self.tailctl("config", "check", self.file("a: 2\n")).stdout)
        self.assertIn("a: 2", self.tailctl("config", "diff", self.file("a: 2\n")).stdout)
        self.assertEqual(self.tailctl("config", "diff", self.file(CONFIG)).stdout, "no differences\n")
        self.assertIn("applied, epoch 2", self.tailctl("config", "apply", self.file("a: 2\n")).stdout)
        self.assertIn("undone, epoch 3", self.tailctl("config", "undo").stdout)
        self.assertIn("nothing to undo", self.tailctl("config", "undo", expect=1).stderr)

    def test_apply_with_confirmation(self):
        text = self.tailctl("config", "apply", self.file("a: 2\n"), "--confirm", "10m").stdout
        self.assertIn("undone in 10m00s unless", text)
        self.assertIn("unless confirmed", self.tailctl("status").stdout)
        self.assertIn("epoch 2 stays", self.tailctl("config", "confirm").stdout)
        self.assertIn("nothing waits", self.tailctl("config", "confirm", expect=1).stderr)

    def test_refusals_say_why(self):
        bad = self.file("bad\n")
        self.assertIn(f"tailctl: {bad}: line 1: bad", self.tailctl("config", "check", bad, expect=1).stderr)
        run = self.tailctl("config", "apply", self.file("restart: 2\n"), expect=1)
        self.assertIn("a restart is needed for restart", run.stderr)
        self.assertRegex(run.stdout, "restart +restart +restart: 1 +restart: 2")
        answer = json.loads(self.tailctl("--json", "config", "apply", self.file("restart: 2\n"), expect=1).stdout)
        self.assertEqual(answer["differences"][0]["live"], False)

    def test_from_stdin(self):
        self.assertIn("applied", self.tailctl("config", "apply", "-", text_in="a: 4\n").stdout)

    def test_files_that_are_none(self):
        self.assertIn("No such file", self.tailctl("config", "check", "/does/not/exist", expect=2).stderr)
        self.assertIn("too large", self.tailctl("config", "check", self.file("x" * ((1 << 20) + 1)), expect=2).stderr)

    def test_log(self):
        self.assertEqual(self.tailctl("log", "debug").stdout, "log level debug (was info)\n")
        self.assertIn("one of error", self.tailctl("log", "loud", expect=1).stderr)


class ExitCodes(Tailctl):
    def test_usage(self):
        for words in ("", "nonsense", "config", "config apply", "log", "status more", "status --once", "traces why",
                      "config apply FILE --confirm soon", "--nonsense status", "stats a b"):
            run = self.tailctl(*words.split(), expect=2)
            self.assertTrue(run.stderr)
            self.assertEqual(run.stdout, "")
        helped = self.tailctl("--help").stdout
        self.assertIn("config apply", helped)
        rows = helped.split("\n\n")[1].splitlines()
        self.assertEqual([row for row in rows if row[42] != " " or row[43] == " "], [])  # help begins in one column

    def test_a_word_that_only_begins_commands_lists_them(self):
        lines = self.tailctl("traces", expect=2).stderr.splitlines()
        self.assertEqual(lines, ["usage: tailctl traces why ID", "       tailctl traces get ID"])
        self.assertIn("no command", self.tailctl("trace", expect=2).stderr)

    def test_of_later_versions(self):
        for words in ("policies try FILE", "traces get " + TRACE, "attributes"):
            self.assertIn("not in this version", self.tailctl(*words.split(), expect=1).stderr)
            answer = json.loads(self.tailctl("--json", *words.split(), expect=1).stdout)
            self.assertEqual(answer, {"error": "not in this version"})

    def test_no_daemon(self):
        for words in ("status", "top --once", "config undo", "--json audit"):
            run = self.tailctl("-s", str(self.folder / "nobody"), *words.split(), expect=3)
            self.assertIn("no daemon answers at", run.stderr)
            self.assertEqual(run.stdout, "")
        self.tailctl("-s", "x" * 200, "status", expect=3)
        self.tailctl("-s", str(self.config), "status", expect=3)

    def test_socket_from_the_environment(self):
        run = subprocess.run([os.environ["TAILCTL"], "log", "debug"], text=True, capture_output=True, timeout=30,
                             env={**os.environ, "TAILRACE_SOCKET": self.socket})
        self.assertEqual(run.returncode, 0)


class Terminal(Tailctl):
    def test_color_only_where_it_is_wanted(self):
        status, text = self.on_terminal("backends", done=lambda _: False)
        self.assertEqual(status, 0)
        self.assertIn("\033[31mdown\033[0m", text)
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            status, text = self.on_terminal("backends", done=lambda _: False, **environment)
            self.assertNotIn("\033", text)

    def test_lines_fit(self):
        # The window's size is set once the terminal is there, so COLUMNS does it for a command that ends at once.
        _, text = self.on_terminal("stats", done=lambda _: False, NO_COLOR="1", COLUMNS="60")
        self.assertLessEqual(max(len(line) for line in text.replace("\r", "").split("\n")), 80)

    def test_top_repaints_until_interrupted(self):
        status, text = self.on_terminal("top", done=lambda output: output.count(b"\033[H") >= 2)
        self.assertEqual(status, 0)
        self.assertIn("ACCEPTED/s", text)
        self.assertTrue(text.endswith("\033[?25h\033[?1049l"), repr(text[-40:]))


if __name__ == "__main__":
    unittest.main()
