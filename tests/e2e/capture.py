# SPDX-License-Identifier: Apache-2.0
"""What really went over a wire, as tshark sees it."""
import collections
import os
import signal
import subprocess
import tempfile

FAULT = ("_ws.malformed || tcp.analysis.spurious_retransmission || ip.checksum.status == 0 || icmpv6.checksum.status == 0 || "
         # 0xffff is as good as 0 in ones' complement; Linux sends it.
         "(tcp.checksum.status == 0 && tcp.checksum != 0xffff)")
ABOVE = [x for port in (4317, 4318) for x in ("-d", f"tcp.port=={port},echo")]  # payload is payload: no guessing
CHECKSUMS = [x for protocol in ("ip", "tcp") for x in ("-o", f"{protocol}.check_checksum:TRUE")]


class Capture:
    """Records an interface while the block runs. A frame is cut to `snap` bytes; 0: whole, so that its checksum can be
    verified."""

    def __init__(self, namespace, interface, snap=0):
        self.folder = tempfile.TemporaryDirectory(prefix="tailrace-e2e.")  # goes at the end, whatever that is
        self.file = os.path.join(self.folder.name, "wire.pcapng")
        self.namespace = namespace
        self.command = ["dumpcap", "-q", "-i", interface, "-B", "64", "-s", str(snap), "-w", self.file,
                        "-a", "filesize:2000000", "-a", "duration:600"]

    def __enter__(self):
        self.process = self.namespace.popen(*self.command, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if line.startswith("File:"):
                return self
        raise AssertionError("dumpcap does not begin")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)

    def close(self):
        self.folder.cleanup()

    def tshark(self, *args):
        done = subprocess.run(["tshark", "-n", "-r", self.file, *ABOVE, *CHECKSUMS, *args],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def check(self):
        """No fault. Returns how many frames there are, and how many checksums were verified."""
        verified = collections.Counter(self.tshark("-T", "fields", "-e", "tcp.checksum.status"))
        lines = self.tshark("-Y", FAULT)
        assert not lines, f"{len(lines)} frames at fault:\n" + "\n".join(lines[:10])
        return sum(verified.values()), verified["1"]
