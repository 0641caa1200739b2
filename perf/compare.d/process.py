# SPDX-License-Identifier: Apache-2.0
"""Processes of a comparison: started on a CPU, measured by /proc, and gone when the run is, whichever way it ends."""
import ctypes
import os
import signal
import subprocess
import time

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


class Failed(Exception):
    """Why a row has no numbers."""


class Process:
    """A program pinned to one CPU, whose output goes to a log; dies with us even if we are killed."""

    def __init__(self, command, cpu, log, environment=None, pipes=False):
        self.log, self.name = log, os.path.basename(command[0])

        def prepare():
            os.sched_setaffinity(0, {cpu})
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        with open(log, "ab") as errors:
            self.popen = subprocess.Popen(command, preexec_fn=prepare, stderr=errors, env=environment,
                                          stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
                                          stdout=subprocess.PIPE if pipes else errors)
        self.pid = self.popen.pid

    def is_alive(self):
        return self.popen.poll() is None

    def alive_or_fail(self):
        if not self.is_alive():
            raise Failed(f"{self.name} ended with {self.popen.returncode}: {self.last_words()}")

    def last_words(self):
        with open(self.log, errors="replace") as log:
            lines = [line.strip() for line in log if line.strip()]
        told = [line for line in lines if "error" in line.lower()] or lines
        return told[-1][:300] if told else "it said nothing"

    def cpu_seconds(self):
        """User and system time of all its threads, those that ended too."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def memory_bytes(self):
        """Its share of the pages it maps (a page that it maps twice counts once), and its huge pages."""
        wanted, total = ("Pss:", "Private_Hugetlb:", "Shared_Hugetlb:"), 0
        with open(f"/proc/{self.pid}/smaps_rollup") as rollup:
            for line in rollup:
                words = line.split()
                if words[0] in wanted:
                    total += int(words[1]) * 1024
        return total

    def stop(self, seconds=20):
        """Ask, wait, insist."""
        if self.is_alive():
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                pipe.close()


class Group:
    """What a row started. `with Group() as group`: the last started is stopped first."""

    def __init__(self):
        self.processes = []

    def start(self, *args, **more):
        process = Process(*args, **more)
        self.processes.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop(5)


def wait_for(condition, what, seconds, every=0.1):
    """Wait until condition() is true and return its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)
