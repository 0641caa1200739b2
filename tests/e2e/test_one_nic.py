# SPDX-License-Identifier: Apache-2.0
"""One NIC with SSH on it: a kernel TCP session to port 22 lives through start, load, kill -9, restart and stop of a
net_af_xdp port on the same interface and address, and the kernel never meddles with our ports meanwhile."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import netns
import otlp
from harness import Daemon, run_story, skip, wait_for
from wires import CLIENT, CLIENT6, KEEP_ALL, PORTS, SERVER, SERVER6, forbidden

ANSWERER = os.environ.get("XDP_ANSWERER", "build/tests/e2e/xdp-answerer")
ROUND_S = 0.02  # between two lines of the session


class Session:
    """A login session: one connection to port 22, a line there and back all the time."""

    def __init__(self, client, server):
        with server:
            listener = socket.create_server((SERVER, 22))
        with client:
            self.socket = socket.create_connection((SERVER, 22), timeout=10)
        self.far, _ = listener.accept()
        listener.close()
        self.rounds, self.longest, self.error = 0, 0, None
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.echo, self.type)]
        for thread in self.threads:
            thread.start()

    def echo(self):
        while data := self.far.recv(4096):
            self.far.sendall(data)

    def type(self):
        try:
            while not self.ended.wait(ROUND_S):
                line = f"line {self.rounds}\n".encode()
                begin = time.monotonic()
                self.socket.sendall(line)
                answer = b""
                while len(answer) < len(line):
                    answer += self.socket.recv(4096) or b"the far end closed".ljust(4096)
                assert answer == line, answer
                self.longest = max(self.longest, time.monotonic() - begin)
                self.rounds += 1
        except (OSError, AssertionError) as e:
            self.error = e

    def check(self, what):
        """It still lives: lines typed from now on come back."""
        goal = self.rounds + 3
        wait_for(lambda: self.error or self.rounds >= goal, f"the session after {what}", 10)
        assert self.error is None, f"the session died after {what}: {self.error}"

    def close(self):
        self.ended.set()
        self.threads[1].join()
        self.socket.close()
        self.threads[0].join()


class Answerer:
    """The least that can stand behind the device: no TCP of ours, so that what is seen is the XDP program's doing."""

    def __init__(self, namespace, interface):
        self.process = namespace.popen(ANSWERER, interface, SERVER, SERVER6, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE)

    def ready(self):
        line = self.process.stdout.readline()
        assert line == "ready\n", line + self.process.communicate()[1]
        return self

    def stop(self, sig=signal.SIGTERM):
        """Its last words: how many frames were taken, and how many had no socket."""
        self.process.send_signal(sig)
        out, err = self.process.communicate(timeout=20)
        assert self.process.returncode in (0, -sig), err
        return [int(n) for n in out.split()[1::2]]

    @staticmethod
    def talk(client, host, port=PORTS[0]):
        with client, socket.create_connection((host, port), timeout=5) as s:
            s.sendall(b"hello")
            assert s.recv(100) == b"hello"

    @staticmethod
    def refused(namespace, interface):
        """Why a second one can't have the interface."""
        second = Answerer(namespace, interface).process
        _, err = second.communicate(timeout=20)
        assert second.returncode == 1
        return err


class TheDaemon:
    """tailraced on the same interface and address."""

    def __init__(self, namespace, interface):
        port = f'- {{name: wan0, kind: dpdk, device: "net_af_xdp0,iface={interface}", ' \
               f'addresses: ["{SERVER}/24", "{SERVER6}/64"], listen: {list(PORTS)}}}'
        self.daemon = Daemon(place=namespace, ports=port, policies=KEEP_ALL)

    def ready(self):
        self.daemon.start()
        return self

    def stop(self, sig=signal.SIGTERM):
        xdp = self.daemon.tailctl("ports")["ports"][0]["xdp"]
        code = self.daemon.stop(sig)
        assert code in (0, -sig), self.daemon.read_log()
        self.daemon.remove()
        return [xdp["taken"], xdp["no_socket"]]

    @staticmethod
    def talk(client, host, port=PORTS[0]):
        request = otlp.request([otlp.span(os.urandom(16), os.urandom(8))])
        head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n" \
               f"Content-Length: {len(request)}\r\n\r\n"
        with client, socket.create_connection((host, port), timeout=5) as s:
            s.sendall(head.encode() + request)
            assert s.recv(100).startswith(b"HTTP/1.1 200"), "no answer to an export"

    @staticmethod
    def refused(namespace, interface):
        second = TheDaemon(namespace, interface).daemon
        try:
            second.start()
        except AssertionError as e:
            return str(e)
        finally:
            second.stop(signal.SIGKILL)
            second.remove()
        return "not refused"


def kernel_counter(namespace, group, name):
    """Of the server's kernel, from /proc/net/snmp."""
    text = namespace.run("cat", "/proc/thread-self/net/snmp")
    names, values = (line.split()[1:] for line in text.splitlines() if line.startswith(group + ":"))
    return int(values[names.index(name)])


def program_on(namespace, interface):
    return "tr_xdp_filter" in namespace.ip(f"-d link show {interface}")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def icmp(client, kind, code, rest):
    """Send an ICMP message to the server."""
    body = struct.pack("!BBHI", kind, code, 0, 0) + rest
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    with client, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.sendto(body, (SERVER, 0))


def quoted(port):
    """How a segment from that port of the server's began, as an error quotes it."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1500, 1, 0x4000, 64, socket.IPPROTO_TCP, 0,
                         socket.inet_aton(SERVER), socket.inet_aton(CLIENT))
    return header + struct.pack("!HHI", port, 40000, 1)


def kernel_keeps_the_rest(client, server, session):
    # ARP is the kernel's: what the client knows of the server's MAC is forgotten, and found again.
    client.ip("neigh flush all")
    session.check("the neighbour table was flushed")
    before = kernel_counter(server, "Icmp", "InEchos")
    icmp(client, 8, 0, b"")
    wait_for(lambda: kernel_counter(server, "Icmp", "InEchos") == before + 1, "an echo request at the kernel", 5)
    # An error about SSH is the kernel's, one about port 4317 is ours. They keep their order: when the second is there,
    # the first is not missing but elsewhere.
    before = kernel_counter(server, "Icmp", "InDestUnreachs")
    icmp(client, 3, 4, quoted(PORTS[0]))
    icmp(client, 3, 4, quoted(22))
    wait_for(lambda: kernel_counter(server, "Icmp", "InDestUnreachs") == before + 1, "an ICMP error at the kernel", 5)


def load(client, session, kind):
    for i in range(300):
        kind.talk(client, (SERVER, SERVER6)[i % 2], PORTS[i // 2 % 2])
    session.check("300 connections")


def connections(client, count):
    with client:
        return [socket.create_connection(((SERVER, SERVER6)[i % 2], PORTS[0]), timeout=5) for i in range(count)]


def end_with_a_reset(sockets):
    """Whoever still talks to a port that was killed is told by the kernel."""
    for s in sockets:
        with s:
            s.sendall(b"POST ")
            try:
                raise AssertionError(f"an answer after kill -9: {s.recv(100)}")
            except ConnectionResetError:
                pass


def a_session_outlives(kind):
    server, client = netns.Namespace(), netns.Namespace()
    client_name, name = netns.veth(client, server, offload=False)
    netns.address(client, client_name, f"{CLIENT}/24", f"{CLIENT6}/64")
    netns.address(server, name, f"{SERVER}/24", f"{SERVER6}/64")
    session = Session(client, server)
    session.check("nothing yet")

    port = kind(server, name).ready()
    session.check("the start")
    resets = kernel_counter(server, "Tcp", "OutRsts")
    load(client, session, kind)
    kernel_keeps_the_rest(client, server, session)
    assert kernel_counter(server, "Tcp", "OutRsts") == resets, "the kernel reset connections of ours"
    why = kind.refused(server, name)
    assert "another process has it" in why, why
    session.check("a second daemon was refused")

    open_ones = connections(client, 20)
    port.stop(signal.SIGKILL)
    session.check("kill -9")
    assert program_on(server, name)
    end_with_a_reset(open_ones)
    resets = kernel_counter(server, "Tcp", "OutRsts")
    for host in (SERVER, SERVER6):  # nobody listens: the kernel says so at once, so that clients go elsewhere
        try:
            kind.talk(client, host)
            raise AssertionError("something answered after kill -9")
        except ConnectionRefusedError:
            pass
    assert kernel_counter(server, "Tcp", "OutRsts") == resets + 2

    port = kind(server, name).ready()
    session.check("the restart")
    load(client, session, kind)
    taken, no_socket = port.stop()
    assert taken > 300 * 5 and no_socket == 0, (taken, no_socket)
    session.check("the stop")
    assert not program_on(server, name)
    session.close()
    print(f"  {session.rounds} lines of the session, the slowest took {session.longest * 1000:.0f} ms", flush=True)
    for namespace in (client, server):
        namespace.close()


def a_session_outlives_the_program():
    a_session_outlives(Answerer)


def a_session_outlives_the_daemon():
    a_session_outlives(TheDaemon)


def an_address_of_ours_alone():
    """The kernel doesn't have the address, and sees nothing of what goes there; on a wire whose MTU is above a page."""
    server, client = netns.Namespace(), netns.Namespace()
    client_name, name = netns.veth(client, server, mtu=9000, offload=False)
    netns.address(client, client_name, f"{CLIENT}/24", f"{CLIENT6}/64")
    answerer = Answerer(server, name).ready()
    for host in SERVER, SERVER6:  # the answerer doesn't know ARP
        client.ip(f"neigh add {host} lladdr {netns.mac_of(server, name)} dev {client_name}")
    before = [kernel_counter(server, *which) for which in (("Ip", "InReceives"), ("Tcp", "OutRsts"))]
    for host in SERVER, SERVER6:
        for _ in range(20):
            Answerer.talk(client, host)
    icmp(client, 8, 0, b"")
    netns.address(server, name, "198.18.1.1/24")  # so that there is something to see of what is the kernel's
    client.ip(f"route add 198.18.1.1 via {SERVER}")
    with client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("198.18.1.1", 9))
    wait_for(lambda: kernel_counter(server, "Ip", "InReceives") > before[0], "a packet at the kernel", 5)
    after = [kernel_counter(server, *which) for which in (("Ip", "InReceives"), ("Tcp", "OutRsts"))]
    assert after == [before[0] + 1, before[1]], (before, after)
    taken, no_socket = answerer.stop()
    assert taken >= 40 * 5 + 1 and no_socket == 0, (taken, no_socket)
    for namespace in (client, server):
        namespace.close()


netns.try_namespaces()
if forbidden("af_xdp"):
    skip(forbidden("af_xdp"))
if not shutil.which("ethtool"):
    skip("no ethtool")
run_story(a_session_outlives_the_program, a_session_outlives_the_daemon, an_address_of_ours_alone)
