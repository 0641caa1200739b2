# SPDX-License-Identifier: Apache-2.0
"""A process with the control layer over the fake, for the tests beside this file."""
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

CONFIG = "a: 1\nrestart: 1\n"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


class FakeDaemonTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="trctl"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.socket = str(self.folder / "s")
        self.config = self.folder / "config.yaml"
        self.config.write_text(CONFIG)
        self.log = (self.folder / "log").open("w+")
        self.addCleanup(self.log.close)
        self.process = self.start()
        self.addCleanup(self.stop, self.process)
        self.port = int(self.process.stdout.readline())

    def start(self):
        return subprocess.Popen([os.environ["FAKE_DAEMON"], self.socket, str(self.config)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)

    def stop(self, process):
        """Ends it and demands that it ended well: a sanitizer's finding is a failure."""
        process.stdin.close()
        rest = process.stdout.read()
        process.stdout.close()
        self.assertEqual(process.wait(timeout=20), 0, rest + self.log_text())

    def log_text(self):
        return (self.folder / "log").read_text()

    def command(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def until(self, condition, what):
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def request(self, method, path, body=None, headers=None):
        """Status and the JSON that came."""
        connection = UnixConnection(self.socket)
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body), {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text)
