# SPDX-License-Identifier: Apache-2.0
"""The two ends around what is measured: tailgen, which sends, and the receiver, which keeps count of what comes out."""
import json
import os
import select
import time

from process import Failed

SILENCE_S = 20  # without a line of progress the generator is stuck


class Generator:
    """tailgen without a limit of rate. Its truth goes through a pipe, for it may be gigabytes."""

    def __init__(self, group, program, cpu, folder, to, seconds, streams, more=()):
        self.truth = os.path.join(folder, "truth")
        if not os.path.exists(self.truth):
            os.mkfifo(self.truth)
        command = [program, "--to", to, "--protocol", "grpc", "--batch", "100", "--connections", str(streams[0]),
                   "--streams", str(streams[1]), "--duration", f"{seconds}s", "--progress", "--json", "--truth",
                   self.truth, *more]
        self.process = group.start(command, cpu, os.path.join(folder, "tailgen.log"), pipes=True)
        self.pending = b""

    def line(self, seconds=SILENCE_S):
        """The next line that it prints, as an object."""
        end = time.monotonic() + seconds
        while b"\n" not in self.pending:
            left = end - time.monotonic()
            if left <= 0:
                raise Failed(f"tailgen said nothing for {seconds} s")
            if select.select([self.process.popen.stdout], [], [], left)[0]:
                more = os.read(self.process.popen.stdout.fileno(), 65536)
                if not more:
                    self.process.popen.wait()
                    raise Failed(f"tailgen ended: {self.process.last_words()}")
                self.pending += more
        text, self.pending = self.pending.split(b"\n", 1)
        return json.loads(text)

    def until(self, seconds):
        """The first line of progress at or after that time; None: the load is over before."""
        while True:
            mark = self.line()
            if mark["done"]:
                return None
            if mark["seconds"] >= seconds:
                return mark

    def finish(self):
        """The last line of progress: all that was sent is answered."""
        mark = self.line()
        while not mark["done"]:
            mark = self.line()
        return mark


class Receiver:
    def __init__(self, group, program, cpu, folder, port):
        self.process = group.start([program, str(port)], cpu, os.path.join(folder, "receiver.log"), pipes=True)

    def ask(self, command):
        self.process.alive_or_fail()
        self.process.popen.stdin.write(command.encode() + b"\n")
        self.process.popen.stdin.flush()
        answer = json.loads(self.process.popen.stdout.readline() or '{"error": "no answer"}')
        if "error" in answer:
            raise Failed(f"receiver: {command}: {answer['error']}")
        return answer

    def counts(self):
        return self.ask("counts")

    def check(self, truth, sampled):
        return self.ask(f"check {'sampled' if sampled else 'all'} {truth}")
