# SPDX-License-Identifier: Apache-2.0
"""Files of a machine, this one's or one recorded in a folder. Nothing that is missing is an error."""
import os


class Root:
    def __init__(self, prefix):
        self.prefix = prefix.rstrip("/")

    def path(self, path):
        return self.prefix + path

    def read(self, path, default=""):
        try:
            with open(self.path(path), errors="replace") as f:
                return f.read().strip()
        except OSError:  # not there, or there and without an answer: `speed` of a link that is down
            return default

    def number(self, path, default=0):
        try:
            return int(self.read(path), 0)
        except ValueError:
            return default

    def lines(self, path):
        return self.read(path).splitlines()

    def list(self, path):
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def exists(self, path):
        return os.path.exists(self.path(path))

    def real(self, path):
        """Where a path leads, links followed, without the prefix."""
        real, prefix = os.path.realpath(self.path(path)), os.path.realpath(self.prefix or "/").rstrip("/")
        return real[len(prefix):] if real.startswith(prefix + "/") else real

    def link_name(self, path):
        """The last part of where a link leads; "" if there is none."""
        return os.path.basename(self.real(path)) if os.path.lexists(self.path(path)) else ""


def number_list(text):
    """"0-2,5": [0, 1, 2, 5]."""
    numbers = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


def number_text(numbers):
    """[0, 1, 2, 5]: "0-2,5"."""
    ranges = []
    for n in sorted(numbers):
        if ranges and ranges[-1][1] == n - 1:
            ranges[-1][1] = n
        else:
            ranges.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
