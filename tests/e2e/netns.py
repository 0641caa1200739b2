# SPDX-License-Identifier: Apache-2.0
"""Network namespaces that end with the process that made them, and wires between them.

A namespace has no name: it lives as long as somebody holds it open, so nothing is left behind however a story ends.
Traffic stays inside. Every program that a story starts in one dies with the story.
"""
import ctypes
import ipaddress
import os
import shutil
import subprocess
import sys
import threading

from harness import DIES_WITH_US, skip

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *args):
    """A function of the C library that returns -1 and sets errno."""
    result = getattr(libc, name)(*args)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def popen(*command, **options):
    return subprocess.Popen([*DIES_WITH_US, *map(str, command)], text=True, **options)


class Namespace:
    """`with namespace:` puts the calling thread, and what it starts, inside."""

    def __init__(self):
        made, self.back = [], []

        def make():
            try:
                call("unshare", CLONE_NEWNET)
                made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            except OSError as e:
                made.append(e)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        self.fd = made[0]
        self.ip("link set lo up")

    @property
    def path(self):
        """A path for others to open it by, while this process runs."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def __enter__(self):
        self.back.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        call("setns", self.fd, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        back = self.back.pop()
        call("setns", back, CLONE_NEWNET)
        os.close(back)

    def popen(self, *command, **options):
        with self:
            return popen(*command, **options)

    def run(self, *command, timeout=60, check=True):
        """Run to the end and return what it printed; with check=False the finished process."""
        process = self.popen(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        if check and process.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: {process.returncode}: {out}{err}")
        return out if check else subprocess.CompletedProcess(command, process.returncode, out, err)

    def ip(self, command):
        return self.run("ip", *command.split())

    def sysctl(self, name, value):
        with self, open("/proc/sys/net/" + name, "w") as f:
            f.write(str(value))

    def close(self):
        os.close(self.fd)


def try_namespaces():
    """Skip the story where the kernel forbids it, say why; without root inside a user namespace if there is one."""
    try:
        Namespace().close()
        return
    except OSError as e:
        why = e
    if os.geteuid() != 0 and "TAILRACE_INSIDE" not in os.environ and shutil.which("unshare"):
        inside = ["unshare", "--user", "--map-root-user", "--net"]
        if subprocess.run([*inside, "true"], capture_output=True).returncode == 0:
            os.environ["TAILRACE_INSIDE"] = "1"
            os.execvp(inside[0], [*inside, sys.executable, *sys.argv])
    skip(f"no network namespace of our own: {why}")


def veth(a, b, mtu=1500, offload=True):
    """A wire between two namespaces; returns its two interface names, both up, without addresses.

    offload=False: whoever sends fills checksums in and cuts segments himself, as on a real wire.
    """
    pid = os.getpid()
    veth.count += 1
    names = f"va{pid}.{veth.count}", f"vb{pid}.{veth.count}"
    with a:
        subprocess.run(["ip", "link", "add", names[0], "type", "veth", "peer", "name", names[1], "netns", b.path],
                       check=True)
    for namespace, name in zip((a, b), names):
        if not offload:
            namespace.run("ethtool", "-K", name, "tx", "off", "rx", "off", "gso", "off", "tso", "off", "gro", "off")
        bring_up(namespace, name, mtu)
    return names


veth.count = 0


def bring_up(namespace, name, mtu=1500):
    namespace.ip(f"link set {name} mtu {mtu} up")


def leave_alone(namespace, name):
    """The kernel says nothing on this interface: it belongs to tailrace."""
    namespace.sysctl(f"ipv6/conf/{name}/disable_ipv6", 1)


def address(namespace, name, *addresses):
    for one in addresses:
        v6 = ipaddress.ip_interface(one).version == 6
        namespace.ip(f"addr add {one} dev {name}" + (" nodad" if v6 else ""))


def mac_of(namespace, name):
    return namespace.ip(f"-br link show {name}").split()[2]
