#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The control socket, as curl or a script meets it."""
import os
import socket
import stat
import subprocess
import unittest

from fake_daemon import CONFIG, FakeDaemonTest, UnixConnection


class Answers(FakeDaemonTest):
    def test_status(self):
        status, answer = self.request("GET", "/v1/status")
        self.assertEqual(status, 200)
        self.assertEqual(answer["version"], "0.0-fake")
        self.assertIs(answer["ready"], True)
        self.assertIsNone(answer["horizon_seconds"])
        self.assertEqual(answer["config"]["drift"], "none")
        self.assertEqual(answer["config"]["running_fingerprint"], answer["config"]["file_fingerprint"])
        self.assertEqual(answer["totals"]["accepted_spans"], 1000)
        self.assertIn("accepted_spans_per_second", answer["rates"])
        self.assertEqual([lcore["cpu"] for lcore in answer["lcores"]], [1, None])
        self.assertEqual(answer["backends"][0]["queued_spans"], 8)

    def test_drift(self):
        self.config.write_text(CONFIG + "# a remark\n")
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["drift"], "changed")
        self.config.unlink()
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["drift"], "missing")
        self.config.mkdir()
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["drift"], "unreadable")

    def test_stats_by_prefix(self):
        for prefix in ("fake_spans", "tailrace_fake_spans"):
            _, answer = self.request("GET", "/v1/stats?prefix=" + prefix)
            self.assertEqual([(row["labels"], row["value"]) for row in answer["stats"]], [
                ({"outcome": "good", "lcore": "0"}, 5), ({"outcome": "bad", "lcore": "0"}, 1),
                ({"outcome": "good", "lcore": "1"}, 6), ({"outcome": "bad", "lcore": "1"}, 0)])
        self.assertEqual(self.request("GET", "/v1/stats?prefix=nothing")[1], {"stats": []})
        self.assertGreater(len(self.request("GET", "/v1/stats")[1]["stats"]), 20)

    def test_audit(self):
        status, answer = self.request("GET", "/v1/audit")
        self.assertEqual((status, answer["balanced"], answer["failures"]), (200, True, []))
        self.assertEqual(answer["dropped_spans"], {"no policy": 600, "noise": 60})
        self.assertEqual(answer["in_rings_spans"], 5)
        self.assertIs(answer["settled"], False)
        self.command("unbalanced")
        answer = self.request("GET", "/v1/audit")[1]
        self.assertIs(answer["balanced"], False)
        self.assertEqual(answer["failures"],
                         ["owner: received 985 is not kept 300 + dropped 660 + evicted 5 + held 19: 1 missing"])

    def test_lcores_that_do_not_stop(self):
        self.command("stuck")
        for path in ("/v1/audit", "/v1/connections"):
            status, answer = self.request("GET", path)
            self.assertEqual((status, answer["error"]), (503, "the lcores did not stop in time"))

    def test_rows(self):
        policies = self.request("GET", "/v1/policies")[1]["policies"]
        self.assertEqual([row["example_trace_id"] for row in policies], ["ab" + 30 * "0", None])
        ports = self.request("GET", "/v1/ports")[1]["ports"]
        self.assertEqual(ports[0]["listening"], ["127.0.0.1:4317", "[fd00:1::2]:4318"])
        connections = self.request("GET", "/v1/connections")[1]
        self.assertEqual(connections["total"], 2)
        self.assertNotIn("protocol", connections["connections"][0])
        self.assertEqual(connections["connections"][1]["protocol"], "h2")
        backends = self.request("GET", "/v1/backends")[1]["backends"]
        self.assertEqual(backends[0]["last_error"], "503 \033[31mgo away?")

    def test_why(self):
        for first, fate in (("11", "waiting"), ("22", "kept"), ("33", "never_seen")):
            status, answer = self.request("GET", f"/v1/traces/{first}{'0' * 30}/why")
            self.assertEqual((status, answer["fate"]), (200, fate))
        for bad in ("12", "0" * 32, "x" * 32, "1" * 200, "%00", "../status"):
            self.assertIn(self.request("GET", f"/v1/traces/{bad}/why")[0], (400, 404))

    def test_log_level(self):
        self.assertEqual(self.request("GET", "/v1/log"), (200, {"level": "info"}))
        self.assertEqual(self.request("PUT", "/v1/log", {"level": "debug"}), (200, {"level": "debug", "before": "info"}))
        self.assertEqual(self.request("GET", "/v1/log"), (200, {"level": "debug"}))
        for bad in ({"level": "loud"}, {"level": 1}, {}, [], "no json"):
            self.assertEqual(self.request("PUT", "/v1/log", bad)[0], 400)

    def test_unknown_paths_and_methods(self):
        self.assertEqual(self.request("GET", "/")[0], 404)
        self.assertEqual(self.request("GET", "/v1/status/more")[0], 404)
        self.assertEqual(self.request("DELETE", "/v1/status")[0], 405)
        self.assertEqual(self.request("GET", "/v1/config/apply")[0], 405)
        self.assertEqual(self.request("POST", "/v1/log", {"level": "debug"})[0], 405)


class Config(FakeDaemonTest):
    def test_show_check_diff(self):
        self.assertEqual(self.request("GET", "/v1/config")[1], {"config": CONFIG + "default: yes\n"})
        self.assertEqual(self.request("POST", "/v1/config/check", {"text": "a: 2\n"})[1],
                         {"valid": True, "remarks": ["decision_wait stops fitting at 120000 spans/s"]})
        self.assertEqual(self.request("POST", "/v1/config/check", {"text": "x\nbad\n"}),
                         (400, {"error": "line 2: bad: this is no option"}))
        self.assertEqual(self.request("POST", "/v1/config/diff", {"text": "a: 2\nrestart: 2\n"})[1]["differences"], [
            {"path": "a", "before": "a: 1", "after": "a: 2", "live": True},
            {"path": "restart", "before": "restart: 1", "after": "restart: 2", "live": False}])

    def test_apply_confirm_undo(self):
        status, answer = self.request("POST", "/v1/config/apply", {"text": "a: 2\n", "confirm_seconds": 600})
        self.assertEqual((status, answer["epoch"], answer["confirm_seconds"]), (200, 2, 600))
        self.assertEqual(answer["differences"][0]["path"], "a")
        config = self.request("GET", "/v1/status")[1]["config"]
        self.assertTrue(0 < config["rollback_in_seconds"] <= 600)
        self.assertEqual(config["drift"], "changed")
        self.assertEqual(self.request("POST", "/v1/config/apply", {"text": "a: 3\n"})[0], 409)
        self.assertEqual(self.request("POST", "/v1/config/confirm")[0], 200)
        self.assertEqual(self.request("POST", "/v1/config/confirm")[0], 404)
        self.assertEqual(self.request("POST", "/v1/config/undo")[1], {"undone": True, "epoch": 3, "undo_steps": 0})
        self.assertEqual(self.request("POST", "/v1/config/undo")[0], 404)
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["drift"], "none")

    def test_unconfirmed_apply_goes_back_by_itself(self):
        self.assertEqual(self.request("POST", "/v1/config/apply", {"text": "a: 2\n", "confirm_seconds": 0.2})[0], 200)
        self.until(lambda: self.request("GET", "/v1/status")[1]["config"]["epoch"] == 3, "no rollback")
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["drift"], "none")
        self.assertIn("event=config.rolled_back", self.log_text())

    def test_restart_is_needed(self):
        status, answer = self.request("POST", "/v1/config/apply", {"text": "a: 2\nrestart: 9\n"})
        self.assertEqual((status, answer["error"]), (409, "nothing was applied, a restart is needed for restart"))
        self.assertEqual([row["live"] for row in answer["differences"]], [True, False])
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["epoch"], 1)

    def test_the_file_itself_as_body(self):
        self.assertEqual(self.request("POST", "/v1/config/apply?confirm_seconds=600", "a: 7\n")[0], 200)
        self.assertIsNotNone(self.request("GET", "/v1/status")[1]["config"]["rollback_in_seconds"])
        self.assertEqual(self.request("POST", "/v1/config/undo")[0], 200)

    def test_bad_bodies(self):
        json_type = {"Content-Type": "application/json; charset=utf-8"}
        for body in ("", "{", "[]", "{}", '{"text": 1}', '{"text": "a\\u0000"}', '{"text": "a", "confirm_seconds": "x"}',
                     '{"text": "a", "confirm_seconds": -1}', '{"text": "a", "confirm_seconds": 3601}',
                     '{"text": "a", "confirm_seconds": 1e999}', "[" * 5000):
            status, answer = self.request("POST", "/v1/config/apply", body, json_type)
            self.assertEqual(status, 400, body[:50])
            self.assertTrue(answer["error"])
        self.assertEqual(self.request("POST", "/v1/config/check", b"a: 1\0b")[0], 400)
        for query in ("nan", "inf", "-1", "1x", "3601", ""):
            self.assertEqual(self.request("POST", "/v1/config/apply?confirm_seconds=" + query, "a: 2\n")[0], 400)
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["epoch"], 1)

    def test_reload(self):
        self.config.write_text("a: 5\nrestart: 1\n")
        self.assertEqual(self.command("reload"), "0")
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["epoch"], 2)
        self.config.write_text("bad\n")
        self.assertIn("line 1: bad", self.command("reload"))
        self.config.unlink()
        self.assertIn("No such file", self.command("reload"))
        self.assertEqual(self.request("GET", "/v1/status")[1]["config"]["epoch"], 2)

    def test_changes_are_logged_with_who_made_them(self):
        self.request("POST", "/v1/config/apply", {"text": "a: 2\n"})
        self.request("POST", "/v1/config/undo")
        self.request("PUT", "/v1/log", {"level": "loud"})
        who = f"uid={os.getuid()} gid={os.getgid()} pid={os.getpid()}"
        for line in (f"method=POST path=/v1/config/apply {who} status=200",
                     f"method=POST path=/v1/config/undo {who} status=200",
                     f"method=PUT path=/v1/log {who} status=400"):
            self.assertIn(line, self.log_text())


class Limits(FakeDaemonTest):
    def raw(self, data):
        """What comes back until the end."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(20)
            connection.connect(self.socket)
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            answer = b""
            try:
                while chunk := connection.recv(65536):
                    answer += chunk
            except ConnectionResetError:
                pass
            return answer

    def test_mode_of_the_socket(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o660)

    def test_a_mebibyte_is_taken_and_more_is_not(self):
        text = "a: 1\n#" + "x" * (1 << 20)
        self.assertEqual(self.request("POST", "/v1/config/check", text[:1 << 20])[0], 200)
        answer = self.raw(b"POST /v1/config/check HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:100])
        answer = self.raw(b"POST /v1/config/check HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n")
        self.assertRegex(answer, rb"^HTTP/1.1 4\d\d ")

    def test_chunks_without_end_are_cut_off(self):
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        answer = self.raw(b"POST /v1/config/check HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 64)
        self.assertNotIn(b" 200 ", answer)
        self.assertEqual(self.request("GET", "/v1/status")[0], 200)

    def test_garbage(self):
        for data in (b"\xff\1 / HTTP\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 100000 + b"\r\n\r\n",
                     b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n"):
            self.assertNotIn(b" 200 ", self.raw(data))
        self.assertEqual(self.request("GET", "/v1/status")[0], 200)

    def test_idle_connections_leave_room(self):
        idle = [UnixConnection(self.socket) for _ in range(40)]
        for connection in idle:
            connection.connect()
        self.assertEqual(self.request("GET", "/v1/status")[0], 200)
        for connection in idle:
            connection.close()


class Start(FakeDaemonTest):
    def test_a_second_daemon_is_refused(self):
        second = subprocess.run([os.environ["FAKE_DAEMON"], self.socket, str(self.config)], input="", text=True,
                                capture_output=True, timeout=20)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"a daemon already answers at {self.socket}", second.stderr)
        self.assertEqual(self.request("GET", "/v1/status")[0], 200)

    def test_a_stale_socket_is_replaced(self):
        stale = str(self.folder / "stale")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
            gone.bind(stale)
        started = subprocess.run([os.environ["FAKE_DAEMON"], stale, str(self.config)], input="", text=True,
                                 capture_output=True, timeout=20)
        self.assertEqual((started.returncode, started.stderr), (0, ""))
        self.assertFalse(os.path.exists(stale))

    def test_another_file_is_left_alone(self):
        for path, text in ((str(self.config), "is there already and no socket"), (str(self.folder / "no" / "s"), "No such file"),
                           (str(self.folder / ("x" * 120)), "is not between 1 and 107 bytes")):
            started = subprocess.run([os.environ["FAKE_DAEMON"], path, str(self.config)], input="", text=True,
                                     capture_output=True, timeout=20)
            self.assertEqual(started.returncode, 1)
            self.assertIn(text, started.stderr)
        self.assertEqual(self.config.read_text(), CONFIG)


if __name__ == "__main__":
    unittest.main()
