# SPDX-License-Identifier: Apache-2.0
"""The two ends around what is measured: tailgen, which sends, and the receiver, which keeps count of what comes out."""
import json
import os
import select
import time

from process import Failed

SILENCE_S = 20  # without a line of progress the generator is stuck
TRUTH_S = 120  # tens of millions of traces, written and read


class Lines:
    """What a process prints, a JSON object a line."""

    def __init__(self, process):
        self.process, self.pending = process, b""

    def line(self, seconds):
        end, output = time.monotonic() + seconds, self.process.popen.stdout
        while b"\n" not in self.pending:
            left = end - time.monotonic()
            if left <= 0:
                raise Failed(f"{self.process.name} said nothing for {seconds} s")
            if select.select([output], [], [], left)[0]:
                more = os.read(output.fileno(), 65536)
                if not more:
                    self.process.popen.wait()
                    raise Failed(f"{self.process.name} ended: {self.process.last_words()}")
                self.pending += more
        text, self.pending = self.pending.split(b"\n", 1)
        return json.loads(text)


class Generator:
    """tailgen without a limit of rate. Its truth goes through a pipe, for it may be gigabytes."""

    def __init__(self, group, program, cpu, folder, to, seconds, streams, more=()):
        self.truth = os.path.join(folder, "truth")
        if not os.path.exists(self.truth):
            os.mkfifo(self.truth)
        command = [program, "--to", to, "--protocol", "grpc", "--batch", "100", "--connections", str(streams[0]),
                   "--streams", str(streams[1]), "--duration", f"{seconds}s", "--progress", "--json", "--truth",
                   self.truth, *more]
        self.lines = Lines(group.start(command, cpu, os.path.join(folder, "tailgen.log"), pipes=True))

    def until(self, seconds):
        """The first line of progress at or after that time; None: the load is over before."""
        while True:
            mark = self.lines.line(SILENCE_S)
            if mark["done"]:
                return None
            if mark["seconds"] >= seconds:
                return mark

    def finish(self):
        """The last line of progress: all that was sent is answered."""
        mark = self.lines.line(SILENCE_S)
        while not mark["done"]:
            mark = self.lines.line(SILENCE_S)
        return mark

    def report(self):
        """What it says at the very end, behind its truth."""
        return self.lines.line(TRUTH_S)


class Receiver:
    def __init__(self, group, program, cpu, folder, port):
        self.process = group.start([program, str(port)], cpu, os.path.join(folder, "receiver.log"), pipes=True)
        self.lines = Lines(self.process)

    def ask(self, command):
        self.process.alive_or_fail()
        self.process.popen.stdin.write(command.encode() + b"\n")
        self.process.popen.stdin.flush()
        answer = self.lines.line(TRUTH_S)
        if "error" in answer:
            raise Failed(f"receiver: {command}: {answer['error']}")
        return answer

    def counts(self):
        return self.ask("counts")

    def check(self, truth, sampled):
        return self.ask(f"check {'sampled' if sampled else 'all'} {truth}")
