# SPDX-License-Identifier: Apache-2.0
"""Addresses, default routes and login sessions, from /proc: which interfaces the operator would miss."""
import ipaddress
import re

ESTABLISHED, LISTENING = "01", "0A"


def little_endian_v4(text):
    return ipaddress.IPv4Address(bytes.fromhex(text)[::-1])


def address(text):
    """An address as /proc/net/tcp and tcp6 write it: 32-bit words in host order (little-endian)."""
    raw = b"".join(bytes.fromhex(text[i:i + 8])[::-1] for i in range(0, len(text), 8))
    ip = ipaddress.ip_address(raw)
    return getattr(ip, "ipv4_mapped", None) or ip


class Routes:
    def __init__(self, root):
        self.routes = []  # (network, gateway or None, interface, metric)
        self.local6 = {}  # interface: [IPv6Interface], global ones
        self.root = root
        self.read_v4()
        self.read_v6()
        self.local4 = self.read_local4()

    def read_v4(self):
        for line in self.root.lines("/proc/net/route")[1:]:
            interface, to, gateway, flags, _, _, metric, mask = line.split()[:8]
            if not int(flags, 16) & 1:  # not up
                continue
            network = ipaddress.ip_network((little_endian_v4(to), str(little_endian_v4(mask))), strict=False)
            gateway = little_endian_v4(gateway)
            self.routes.append((network, gateway if int(gateway) else None, interface, int(metric)))

    def read_v6(self):
        for line in self.root.lines("/proc/net/ipv6_route"):
            to, bits, _, _, gateway, metric, _, _, flags, interface = line.split()
            if int(flags, 16) & 0x80200200 or interface == "lo":  # local, reject
                continue
            network = ipaddress.ip_network((bytes.fromhex(to), int(bits, 16)))
            gateway = ipaddress.ip_address(bytes.fromhex(gateway))
            self.routes.append((network, gateway if int(gateway) else None, interface, int(metric, 16)))
        for line in self.root.lines("/proc/net/if_inet6"):
            ip, _, bits, scope, _, interface = line.split()
            if int(scope, 16) == 0:
                at = ipaddress.ip_interface((bytes.fromhex(ip), int(bits, 16)))
                self.local6.setdefault(interface, []).append(at)

    def read_local4(self):
        """Addresses of this host, in the order of the kernel's trie."""
        found, last = [], None
        for line in self.root.lines("/proc/net/fib_trie"):
            leaf = re.search(r"\|-- (\d+\.\d+\.\d+\.\d+)", line)
            if leaf:
                last = ipaddress.ip_address(leaf[1])
            elif "/32 host LOCAL" in line and last and not last.is_loopback and last not in found:
                found.append(last)
        return found

    def addresses(self, interface):
        """What the interface has: IPv4 by the subnets that are on its link, IPv6 by name."""
        found = []
        for ip in self.local4:
            on = [r for r in self.routes if r[2] == interface and r[1] is None and r[0].prefixlen and ip in r[0]]
            if on:
                found.append(f"{ip}/{max(r[0].prefixlen for r in on)}")
        if not found and self.interfaces4() == {interface}:  # a /32, as some clouds give it: the route says nothing
            found = [f"{ip}/32" for ip in self.local4]
        return found + [str(at) for at in self.local6.get(interface, [])]

    def interfaces4(self):
        return {r[2] for r in self.routes if r[0].version == 4}

    def defaults(self):
        """{interface: [gateways]} of every default route, whatever its metric."""
        found = {}
        for network, gateway, interface, _ in self.routes:
            if network.prefixlen == 0:
                found.setdefault(interface, [])
                if gateway and not gateway.is_link_local:
                    found[interface].append(str(gateway))
        return found

    def interface_to(self, ip):
        """Which interface the best route to an address leads through."""
        fit = [r for r in self.routes if r[0].version == ip.version and ip in r[0]]
        return min(fit, key=lambda r: (-r[0].prefixlen, r[3]))[2] if fit else None

    def interface_of(self, ip):
        """Which interface has this address of ours."""
        for interface in {r[2] for r in self.routes} | set(self.local6):
            if str(ip) in (a.split("/")[0] for a in self.addresses(interface)):
                return interface
        return None

    def sessions(self):
        """[(local, peer, {interfaces})] of established connections to sshd's ports."""
        ports = {int(p) for p in re.findall(r"^\s*Port\s+(\d+)", self.sshd_config(), re.M | re.I)} | {22}
        found = []
        for family in "tcp", "tcp6":
            for line in self.root.lines(f"/proc/net/{family}")[1:]:
                _, local, peer, state = line.split()[:4]
                local_ip, local_port = local.split(":")
                if state != ESTABLISHED or int(local_port, 16) not in ports:
                    continue
                local_ip, peer_ip = address(local_ip), address(peer.split(":")[0])
                if peer_ip.is_loopback:
                    continue
                through = {self.interface_of(local_ip), self.interface_to(peer_ip)} - {None}
                found.append((str(local_ip), str(peer_ip), through))
        return found

    def sshd_config(self):
        folder = "/etc/ssh/sshd_config.d"
        return "\n".join([self.root.read("/etc/ssh/sshd_config")] +
                         [self.root.read(f"{folder}/{name}") for name in self.root.list(folder)])
