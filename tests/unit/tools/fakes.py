# SPDX-License-Identifier: Apache-2.0
"""Machines as a folder: the files of /proc, /sys and /etc that tools/doctor reads, as the kernel writes them."""
import ipaddress
import os
import struct

KERNEL = "6.1.0-18-amd64"
ROOT_CAPABILITIES = (1 << 41) - 1
CONTAINER_CAPABILITIES = 0xa80425fb  # what Docker leaves
UP = 1


class Fake:
    def __init__(self, folder, cpus=8, smt=False, nodes=1, kernel=KERNEL, capabilities=ROOT_CAPABILITIES):
        self.folder, self.routes, self.routes6, self.tcp, self.local, self.local6 = folder, [], [], [], [], []
        self.interfaces = 1
        every = list(range(cpus))
        self.write("/proc/sys/kernel/osrelease", kernel)
        self.write("/proc/cmdline", "quiet")
        self.write("/proc/meminfo", f"MemTotal: {32 << 20} kB\nMemAvailable: {31 << 20} kB")
        self.write("/proc/cpuinfo", "processor : 0\nflags : fpu sse2")
        self.write("/proc/self/status",
                   f"Name:\tpython3\nCapEff:\t{capabilities:016x}\nCpus_allowed_list:\t0-{cpus - 1}")
        self.write("/proc/self/limits", "Max locked memory         8388608              8388608              bytes")
        self.write("/proc/self/cgroup", "0::/user.slice")
        self.write("/proc/mounts", "tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0")
        self.write("/proc/net/protocols", "protocol  size sockets\nXDP  1024  0\nTCP  2048  1")
        self.write(f"/lib/modules/{kernel}/modules.dep", "kernel/drivers/vfio/pci/vfio-pci.ko:")
        self.write("/sys/devices/system/cpu/smt/active", str(int(smt)))
        for cpu in every:
            siblings = f"{cpu % (cpus // 2)},{cpu % (cpus // 2) + cpus // 2}" if smt else str(cpu)
            self.write(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", siblings)
        for node in range(nodes):
            cpu_list = ",".join(str(cpu) for cpu in every if cpu % nodes == node)
            self.write(f"/sys/devices/system/node/node{node}/cpulist", cpu_list)
        self.hugepages([0] * nodes)
        self.packages("dpdk", "libdpdk-dev", "ethtool", "librte-net-af-xdp23")

    def write(self, path, text):
        path = self.folder + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text + "\n")

    def link(self, path, to):
        path = self.folder + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.makedirs(self.folder + to, exist_ok=True)
        os.symlink(os.path.relpath(self.folder + to, os.path.dirname(path)), path)

    def virtual(self, vendor):
        self.write("/proc/cpuinfo", "processor : 0\nflags : fpu sse2 hypervisor")
        self.write("/sys/class/dmi/id/sys_vendor", vendor)

    def iommu(self):
        self.link("/sys/class/iommu/dmar0", "/sys/devices/virtual/iommu/dmar0")

    def hugepages(self, by_node):
        where = [(f"/sys/devices/system/node/node{n}/hugepages", pages) for n, pages in enumerate(by_node)]
        for folder, pages in [("/sys/kernel/mm/hugepages", sum(by_node)), *where]:
            self.write(f"{folder}/hugepages-2048kB/nr_hugepages", str(pages))
            self.write(f"{folder}/hugepages-2048kB/free_hugepages", str(pages))

    def packages(self, *names):
        self.write("/var/lib/dpkg/status", "\n".join(f"Package: {name}\nStatus: install ok installed\nVersion: 22.11\n"
                                                      for name in names))

    def pci(self, pci, vendor, device, driver=None, node=-1, group=None, physfn=None):
        at = f"/sys/devices/pci0000:00/{pci}"
        self.write(f"{at}/vendor", vendor)
        self.write(f"{at}/device", device)
        self.write(f"{at}/class", "0x020000")
        self.write(f"{at}/numa_node", str(node))
        self.link(f"/sys/bus/pci/devices/{pci}", at)
        if driver:
            self.link(f"{at}/driver", f"/sys/bus/pci/drivers/{driver}")
        if group is not None:
            self.link(f"{at}/iommu_group", f"/sys/kernel/iommu_groups/{group}")
        if physfn:
            self.link(f"{at}/physfn", f"/sys/devices/pci0000:00/{physfn}")
        return at

    def nic(self, name, pci=None, vendor="0x8086", device="0x1583", driver="i40e", node=-1, queues=8, mtu=1500,
            speed=10000, up=True, below="", **more):
        """A network interface; `below` is what lies between it and the PCI device (virtio0)."""
        self.interfaces += 1
        index = self.interfaces
        if pci:
            at = self.pci(pci, vendor, device, driver=None if below else driver, node=node, **more)
            if below:
                self.link(f"{at}/driver", "/sys/bus/pci/drivers/virtio-pci")
                at = f"{at}/{below}"
                self.link(f"{at}/driver", f"/sys/bus/virtio/drivers/{driver}")
        else:
            at = "/sys/devices/virtual"
        real = f"{at}/net/{name}"
        for path, text in {"type": "1", "address": "02:00:00:00:00:01", "operstate": "up" if up else "down", "mtu": mtu,
                           "speed": speed, "ifindex": index, "iflink": index + (0 if pci else 100)}.items():
            self.write(f"{real}/{path}", str(text))
        for queue in range(queues):
            self.write(f"{real}/queues/rx-{queue}/rps_cpus", "0")
        if pci:
            self.link(f"{real}/device", at)
        self.link(f"/sys/class/net/{name}", real)

    def upper(self, name, *lower):
        """A bridge, bond or VLAN above interfaces, or a tunnel above none."""
        for one in lower:
            self.link(f"/sys/devices/virtual/net/{name}/lower_{one}", os.path.realpath(
                f"{self.folder}/sys/class/net/{one}")[len(os.path.realpath(self.folder)):])
        self.write(f"/sys/devices/virtual/net/{name}/type", "1")
        self.write(f"/sys/devices/virtual/net/{name}/ifindex", "90")
        self.write(f"/sys/devices/virtual/net/{name}/iflink", "90")
        self.link(f"/sys/class/net/{name}", f"/sys/devices/virtual/net/{name}")

    def address(self, interface, cidr, gateway=None):
        at = ipaddress.ip_interface(cidr)
        if at.version == 6:
            self.local6.append(f"{at.ip.packed.hex()} 02 {at.network.prefixlen:02x} 00 80 {interface}")
            self.route6(interface, at.network, None)
            if gateway:
                self.route6(interface, ipaddress.ip_network("::/0"), ipaddress.ip_address(gateway))
        else:
            self.local.append(str(at.ip))
            if at.network.prefixlen < 32:
                self.route(interface, at.network, None)
            elif gateway:
                self.route(interface, ipaddress.ip_network(gateway), None)
            if gateway:
                self.route(interface, ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_address(gateway))
        return self.routing()

    def route(self, interface, network, gateway):
        def le(ip):
            return "%08X" % struct.unpack("<I", ip.packed)
        via = le(gateway or ipaddress.ip_address("0.0.0.0"))
        self.routes.append("\t".join([interface, le(network.network_address), via, "0003" if gateway else "0001", "0", "0",
                                      "0", le(network.netmask), "0", "0", "0"]))

    def route6(self, interface, network, gateway):
        gateway = gateway or ipaddress.ip_address("::")
        self.routes6.append(f"{network.network_address.packed.hex()} {network.prefixlen:02x} {'0' * 32} 00 "
                            f"{gateway.packed.hex()} 00000400 00000001 00000000 00000003 {interface}")

    def session(self, local, peer, port=22):
        local, peer = ipaddress.ip_address(local), ipaddress.ip_address(peer)

        def words(ip):
            return "".join("%08X" % word for word in struct.unpack(f"<{len(ip.packed) // 4}I", ip.packed))
        self.tcp.append((local.version, f"0: {words(local)}:{port:04X} {words(peer)}:C000 01 00000000:00000000 00:0 0"))
        return self.routing()

    def routing(self):
        self.write("/proc/net/route", "\n".join(["Iface\tDestination\tGateway", *self.routes]))
        self.write("/proc/net/ipv6_route", "\n".join(self.routes6))
        self.write("/proc/net/if_inet6", "\n".join(self.local6))
        trie = ["Local:"]
        for ip in ["127.0.0.1", *self.local]:
            trie += [f"           |-- {ip}", "              /32 host LOCAL"]
        self.write("/proc/net/fib_trie", "\n".join(trie))
        for version, name in (4, "tcp"), (6, "tcp6"):
            rows = [row for v, row in self.tcp if v == version]
            self.write(f"/proc/net/{name}", "\n".join(["sl local rem st", *rows]))
        return self
