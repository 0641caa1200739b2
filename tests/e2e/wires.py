# SPDX-License-Identifier: Apache-2.0
"""A client's host, a server's host and a wire between them; tailraced at the far end over any kind of port.

    with Wire("af_xdp", mtu=9000) as wire, wire.daemon(policies=ALL) as d:
        tailgen("--to", wire.to(), place=wire.client)

Kinds: `kernel` (Linux's TCP, for comparison), `af_xdp`, `af_packet`, `tap` (the daemon makes the interface, so the
client is its neighbour in the same namespace). With relay={...} the wire is the relay, with those faults.
"""
import fcntl
import json
import os
import platform
import socket
import struct
import subprocess

import netns
from harness import Daemon, tailgen

RELAY = os.environ.get("RELAY", "build/tests/e2e/relay")
CLIENT, SERVER = "198.18.0.1", "198.18.0.2"
CLIENT6, SERVER6 = "fd00:18::1", "fd00:18::2"
PORTS = 4317, 4318
SOURCES = 8
CLIENT_MORE = [f"198.18.0.{10 + i}/24" for i in range(SOURCES)]  # further addresses of the client
KEEP_ALL = "\n    - {name: all, type: always_sample}"


class Wire:
    def __init__(self, kind, mtu=1500, offload=True, relay=None, port="", client="kernel"):
        """offload: as a veth comes, where the kernel is at both ends. port: further options of a DPDK port.
        client: af_packet leaves that end to tailgen's own TCP."""
        self.kind, self.mtu, self.port_options = kind, mtu, port
        self.server = netns.Namespace()
        self.client = self.server if kind == "tap" else netns.Namespace()
        self.relay, self.client_kind = None, client
        if kind == "tap":
            self.client_name = self.server_name = f"tr{os.getpid()}"
        elif relay is None:
            # Only the kernel takes a frame whose sender left cutting and the checksum to the device.
            self.client_name, self.server_name = netns.veth(self.client, self.server, mtu, offload and kind == "kernel")
        else:
            self.start_relay(relay)
        if kind != "tap":
            if client == "kernel":
                netns.address(self.client, self.client_name, f"{CLIENT}/24", f"{CLIENT6}/64")
            else:
                netns.leave_alone(self.client, self.client_name)
            if kind == "kernel":
                netns.address(self.server, self.server_name, f"{SERVER}/24", f"{SERVER6}/64")
            else:
                netns.leave_alone(self.server, self.server_name)

    def start_relay(self, faults):
        self.client_name, self.server_name = f"ra{os.getpid()}", f"rb{os.getpid()}"
        options = [x for name, value in faults.items() for x in (f"--{name}", str(value))]
        self.relay = netns.popen(RELAY, "--left", f"{self.client.path}:{self.client_name}",
                                 "--right", f"{self.server.path}:{self.server_name}", *options,
                                 stdout=subprocess.PIPE)
        assert self.relay.stdout.readline() == "ready\n"
        netns.bring_up(self.client, self.client_name, self.mtu)
        netns.bring_up(self.server, self.server_name, self.mtu)

    def relay_report(self):
        """Stop the relay: what it did, a dictionary for `left` (from the client) and for `right`."""
        self.relay.terminate()
        out, _ = self.relay.communicate(timeout=10)
        self.relay = None
        return json.loads(out)

    def port(self):
        """The daemon's port, as YAML."""
        if self.kind == "kernel":
            hosts = [f'"{host}:{port}"' for host in (SERVER, f"[{SERVER6}]") for port in PORTS]
            return f"- {{name: wire, kind: kernel, listen: [{', '.join(hosts)}]}}"
        return f'- {{name: wire, kind: dpdk, device: "net_{self.kind}0,iface={self.server_name}", ' \
               f'addresses: ["{SERVER}/24", "{SERVER6}/64"], listen: {list(PORTS)}' \
               f'{", " if self.port_options else ""}{self.port_options}}}'

    def daemon(self, **options):
        return WireDaemon(self, **options)

    def tailgen(self, *args, v6=False):
        """tailgen from the client's end, whatever it is."""
        device = []
        if self.client_kind != "kernel":
            device = ["--device", f"net_{self.client_kind}0,iface={self.client_name}",
                      "--address", f"{CLIENT6}/64" if v6 else f"{CLIENT}/24"]
        return tailgen("--to", self.to(v6), *device, *args, place=self.client)

    def server_mac(self):
        return netns.mac_of(self.server, self.server_name)

    def to(self, v6=False, port=PORTS[0]):
        return f"[{SERVER6}]:{port}" if v6 else f"{SERVER}:{port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.relay:
            self.relay.kill()
            self.relay.wait()
        for namespace in {self.client, self.server}:
            namespace.close()


class WireDaemon(Daemon):
    def __init__(self, wire, **options):
        self.wire = wire
        super().__init__(place=wire.server, ports=wire.port(), **options)

    def start(self):
        super().start()
        if self.wire.kind == "tap":
            netns.bring_up(self.wire.client, self.wire.client_name, self.wire.mtu)
            netns.address(self.wire.client, self.wire.client_name, f"{CLIENT}/24", f"{CLIENT6}/64")
        return self


def forbidden(kind):
    """Try what a kind of port needs of the kernel: why it can't be had, or None."""
    try:
        if kind == "af_packet":
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
        elif kind == "tap":
            with open("/dev/net/tun", "r+b", buffering=0) as tun, netns.Namespace():
                fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"probe", 0x1002))  # TUNSETIFF, a tap
        elif kind == "af_xdp":
            socket.socket(44, socket.SOCK_RAW).close()
            # An XSKMAP of one entry: BPF_MAP_CREATE.
            attributes = struct.pack("IIII112x", 17, 4, 4, 1)
            number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
            os.close(netns.call("syscall", number, 0, attributes, len(attributes)))
    except OSError as e:
        return f"{kind}: {e}"
    return None
