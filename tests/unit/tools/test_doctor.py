#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/doctor on machines that are folders: what it suggests, what it finds wrong, and what it never does."""
import importlib.machinery
import importlib.util
import io
import ipaddress
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from fakes import CONTAINER_CAPABILITIES, Fake

sys.dont_write_bytecode = True
DOCTOR, TAILRACED = os.environ["DOCTOR"], os.environ["TAILRACED"]
INTEL = {"vendor": "0x8086", "device": "0x1583", "driver": "i40e"}
MLX5 = {"vendor": "0x15b3", "device": "0x1017", "driver": "mlx5_core"}
ENA = {"vendor": "0x1d0f", "device": "0xec20", "driver": "ena", "speed": -1}
GVE = {"vendor": "0x1ae0", "device": "0x0042", "driver": "gve", "speed": -1}
VIRTIO = {"vendor": "0x1af4", "device": "0x1041", "driver": "virtio_net", "below": "virtio0", "speed": -1}


class DoctorTest(unittest.TestCase):
    def setUp(self):
        where = "/dev/shm" if os.path.isdir("/dev/shm") else None  # thousands of small files
        self.folder = tempfile.TemporaryDirectory(prefix="tailrace-doctor.", dir=where)
        self.addCleanup(self.folder.cleanup)

    def fake(self, **options):
        return Fake(self.folder.name, **options)

    def doctor(self):
        """Its answer; what it prints for people must hold the same suggestion, and nothing may have changed."""
        before = snapshot(self.folder.name)
        answer, text = doctor.examine(self.folder.name), io.StringIO()
        doctor.report.write(answer, text)
        text = text.getvalue()
        self.assertIn(answer["suggestion"]["config"], text)
        for command in answer["suggestion"]["commands"]:
            self.assertIn(command, text)
        self.assertEqual(snapshot(self.folder.name), before)
        self.never_takes_what_is_carried(answer, text)
        self.config_is_valid(answer["suggestion"])
        return answer

    def never_takes_what_is_carried(self, answer, text):
        for nic in answer["nics"]:
            if nic["carries"]:
                for command in answer["suggestion"]["commands"]:
                    self.assertNotIn(nic["pci"] or "no PCI", command)
                    self.assertNotIn(f"{nic['interface']} down", command)
                self.assertNotIn(f'device: "{nic["pci"]}"', text)
                self.assertNotIn(f"--bind=vfio-pci {nic['pci']}", text)

    def config_is_valid(self, suggestion):
        """tailraced --check takes it (its CPUs are another machine's)."""
        config = suggestion["config"].replace(f'cpus: "{suggestion["lcores"]["cpus"]}"', "cpus: auto")
        path = pathlib.Path(self.folder.name, "tailrace.yaml")
        path.write_text(config + 'backends: [{name: none, kind: file, path: /dev/null}]\n'
                        f'journal: {{path: {self.folder.name}, size: 64MiB}}\n'
                        'tail_sampling: {policies: [{name: all, type: always_sample}]}\n')
        run = subprocess.run([TAILRACED, "--check", "-c", path], capture_output=True, text=True, timeout=30)
        path.unlink()
        self.assertEqual(run.returncode, 0, config + run.stdout + run.stderr)

    def mends(self, answer, level="bad"):
        return "\n".join(f"{f['what']} -> {f['mend']}" for f in answer["findings"] if f["level"] == level)


def snapshot(folder):
    return sorted((str(p), p.lstat().st_mtime_ns) for p in pathlib.Path(folder).rglob("*"))


def load_doctor():
    """The script as a module: a process for each machine would take most of the time."""
    loader = importlib.machinery.SourceFileLoader("doctor", DOCTOR)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("doctor", loader))
    loader.exec_module(module)
    return module


doctor = load_doctor()


class BareMetal(DoctorTest):
    def test_the_nic_without_the_default_route_goes_to_vfio(self):
        fake = self.fake(cpus=32, smt=True, nodes=2)
        fake.iommu()
        fake.hugepages([512, 0])
        fake.nic("eno1", "0000:00:1f.6", driver="e1000e", speed=1000)
        fake.nic("ens1f0", "0000:3b:00.0", node=1, speed=25000, **INTEL)
        fake.nic("ens1f1", "0000:3b:00.1", node=1, up=False, speed=-1, **INTEL)
        fake.address("eno1", "192.0.2.10/24", gateway="192.0.2.1").session("192.0.2.10", "203.0.113.5")
        fake.address("ens1f0", "198.51.100.7/24")
        answer = self.doctor()
        suggestion = answer["suggestion"]
        self.assertEqual((suggestion["case"], suggestion["nic"]), ("vfio", "ens1f0"))
        self.assertEqual(suggestion["commands"], ["modprobe vfio-pci", "ip link set dev ens1f0 down",
                                                  "dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0"])
        self.assertEqual(suggestion["port"]["device"], "0000:3b:00.0")
        self.assertEqual(suggestion["port"]["addresses"], ["198.51.100.7/24"])
        # Node 1's CPUs are the odd ones, 16 and up are second threads: the NIC has eight queues.
        self.assertEqual(suggestion["lcores"], {"count": 8, "cpus": "1,3,5,7,9,11,13,15"})
        self.assertIn("none on node 1, where ens1f0 is", self.mends(answer))
        self.assertIn("apt install librte-net-i40e23", self.mends(answer))
        self.assertIn("isolcpus=managed_irq,domain,1,3,5", self.mends(answer, "note"))

    def test_without_an_iommu_it_says_how_to_have_one(self):
        fake = self.fake()
        fake.nic("eth0", "0000:01:00.0", **INTEL)
        fake.nic("eth1", "0000:02:00.0", **INTEL)
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        answer = self.doctor()
        self.assertEqual(answer["suggestion"]["nic"], "eth1")
        self.assertIn("intel_iommu=on iommu=pt", self.mends(answer))
        self.assertIn("sysctl -w vm.nr_hugepages=512", self.mends(answer))

    def test_a_nic_already_with_vfio_is_taken_as_it_is(self):
        fake = self.fake()
        fake.iommu()
        fake.nic("eth0", "0000:01:00.0", **INTEL)
        fake.pci("0000:02:00.0", "0x8086", "0x1583", driver="vfio-pci")
        fake.pci("0000:03:00.0", "0x15b3", "0x1017", driver="vfio-pci")
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        suggestion = self.doctor()["suggestion"]
        self.assertEqual((suggestion["case"], suggestion["nic"], suggestion["commands"]), ("vfio", "0000:02:00.0", []))

    def test_mlx5_with_vfio_is_of_no_use(self):
        fake = self.fake()
        fake.iommu()
        fake.pci("0000:03:00.0", "0x15b3", "0x1017", driver="vfio-pci")
        self.assertEqual(self.doctor()["suggestion"]["case"], "kernel")

    def test_mlx5_stays_with_its_driver(self):
        fake = self.fake()
        fake.iommu()
        fake.nic("eth0", "0000:01:00.0", **INTEL)
        fake.nic("ens2np0", "0000:02:00.0", speed=100000, **MLX5)
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        suggestion = self.doctor()["suggestion"]
        self.assertEqual((suggestion["case"], suggestion["nic"], suggestion["commands"]), ("mlx5", "ens2np0", []))
        self.assertEqual(suggestion["port"]["device"], "0000:02:00.0")

    def test_the_only_mlx5_is_shared_and_not_taken(self):
        fake = self.fake()
        fake.nic("ens2np0", "0000:02:00.0", **MLX5)
        fake.address("ens2np0", "192.0.2.10/24", gateway="192.0.2.1")
        self.assertEqual(self.doctor()["suggestion"]["case"], "af_xdp")


class WhatIsCarried(DoctorTest):
    def two(self):
        fake = self.fake()
        fake.iommu()
        fake.nic("eth0", "0000:01:00.0", **INTEL)
        fake.nic("eth1", "0000:02:00.0", speed=100000, **INTEL)
        return fake

    def test_a_session_without_a_default_route(self):
        fake = self.two()
        fake.address("eth1", "192.0.2.10/24").session("192.0.2.10", "192.0.2.99")
        answer = self.doctor()
        self.assertEqual(answer["nics"][1]["carries"], ["login session from 192.0.2.99"])
        self.assertEqual(answer["suggestion"]["nic"], "eth0")

    def test_a_session_over_ipv6_and_another_port(self):
        fake = self.two()
        fake.write("/etc/ssh/sshd_config.d/port.conf", "Port 2222")
        fake.address("eth1", "2001:db8::10/64").session("2001:db8::10", "2001:db8::99", port=2222)
        self.assertEqual(self.doctor()["suggestion"]["nic"], "eth0")

    def test_a_session_to_a_listener_on_both_families(self):
        fake = self.two()
        fake.address("eth1", "192.0.2.10/24").session("::ffff:192.0.2.10", "::ffff:192.0.2.99")
        self.assertEqual(self.doctor()["suggestion"]["nic"], "eth0")

    def test_a_session_that_no_interface_is_found_for_keeps_them_all(self):
        fake = self.two()
        fake.address("eth1", "192.0.2.10/24").session("203.0.113.1", "203.0.113.2")
        answer = self.doctor()
        self.assertTrue(all(nic["carries"] for nic in answer["nics"]))
        self.assertEqual(answer["suggestion"]["case"], "af_xdp")

    def test_the_ports_of_a_bridge_with_the_default_route(self):
        fake = self.two()
        fake.upper("br0", "eth1")
        fake.address("br0", "192.0.2.10/24", gateway="192.0.2.1")
        answer = self.doctor()
        self.assertEqual(answer["nics"][1]["carries"], ["default route"])
        self.assertEqual(answer["suggestion"]["nic"], "eth0")

    def test_a_vlan_on_a_bond(self):
        fake = self.two()
        fake.upper("bond0", "eth0", "eth1")
        fake.upper("bond0.7", "bond0")
        fake.address("bond0.7", "192.0.2.10/24", gateway="192.0.2.1")
        answer = self.doctor()
        self.assertTrue(all(nic["carries"] for nic in answer["nics"]))
        self.assertNotEqual(answer["suggestion"]["case"], "vfio")

    def test_a_tunnel_may_go_through_any_nic(self):
        fake = self.two()
        fake.upper("wg0")
        fake.address("wg0", "10.9.0.2/24").session("10.9.0.2", "10.9.0.1")
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        answer = self.doctor()
        self.assertTrue(all("login session from 10.9.0.1" in nic["carries"] for nic in answer["nics"]))

    def test_every_default_route_counts(self):
        fake = self.two()
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        fake.address("eth1", "2001:db8::10/64", gateway="2001:db8::1")
        answer = self.doctor()
        self.assertTrue(all(nic["carries"] == ["default route"] for nic in answer["nics"]))

    def test_the_same_iommu_group(self):
        fake = self.fake()
        fake.iommu()
        fake.nic("eth0", "0000:01:00.0", group=7, **INTEL)
        fake.nic("eth1", "0000:01:00.1", group=7, **INTEL)
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        answer = self.doctor()
        self.assertEqual(answer["nics"][1]["carries"], ["eth0: the same IOMMU group"])
        self.assertEqual(answer["suggestion"]["case"], "af_xdp")

    def test_the_physical_function_of_a_function_that_is_used(self):
        fake = self.fake()
        fake.iommu()
        fake.nic("pf0", "0000:01:00.0", **INTEL)
        fake.nic("vf0", "0000:01:02.0", physfn="0000:01:00.0", vendor="0x8086", device="0x154c", driver="iavf")
        fake.nic("vf1", "0000:01:02.1", physfn="0000:01:00.0", vendor="0x8086", device="0x154c", driver="iavf")
        fake.address("vf0", "192.0.2.10/24", gateway="192.0.2.1")
        answer = self.doctor()
        self.assertEqual([bool(nic["carries"]) for nic in answer["nics"]], [True, True, False])
        self.assertTrue(answer["nics"][2]["virtual_function"])
        self.assertEqual(answer["suggestion"]["nic"], "vf1")


class Virtual(DoctorTest):
    def test_ena_with_a_second_interface(self):
        fake = self.fake()
        fake.virtual("Amazon EC2")
        fake.nic("ens5", "0000:00:05.0", mtu=9001, **ENA)
        fake.nic("ens6", "0000:00:06.0", mtu=9001, **ENA)
        fake.address("ens5", "10.0.0.5/20", gateway="10.0.0.1").session("10.0.0.5", "203.0.113.5")
        fake.address("ens6", "10.0.16.6/20")
        answer = self.doctor()
        self.assertEqual((answer["suggestion"]["case"], answer["suggestion"]["nic"]), ("ena", "ens6"))
        self.assertEqual(answer["suggestion"]["commands"][1],
                         "echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode")
        self.assertIn("write-combined", "\n".join(answer["suggestion"]["notes"]))

    def test_ena_alone_is_shared(self):
        fake = self.fake()
        fake.virtual("Amazon EC2")
        fake.nic("ens5", "0000:00:05.0", mtu=9001, queues=8, **ENA)
        fake.address("ens5", "10.0.0.5/20", gateway="10.0.0.1").session("10.0.0.5", "203.0.113.5")
        suggestion = self.doctor()["suggestion"]
        self.assertEqual(suggestion["case"], "af_xdp")
        self.assertEqual(suggestion["commands"], ["ethtool -L ens5 combined 4", "ip link set dev ens5 mtu 3498"])
        self.assertEqual(suggestion["port"]["device"], "net_af_xdp0,iface=ens5,queue_count=4")
        self.assertEqual(suggestion["lcores"], {"count": 4, "cpus": "1-4"})
        self.assertEqual(suggestion["port"]["gateways"], ["10.0.0.1"])

    def test_gvnic(self):
        fake = self.fake()
        fake.virtual("Google")
        fake.nic("ens4", "0000:00:04.0", mtu=1460, **GVE)
        fake.nic("ens5", "0000:00:05.0", mtu=1460, **GVE)
        fake.address("ens4", "10.128.0.2/32", gateway="10.128.0.1")
        suggestion = self.doctor()["suggestion"]
        self.assertEqual((suggestion["case"], suggestion["nic"]), ("gvnic", "ens5"))
        self.assertIn("GQI", "\n".join(suggestion["notes"]))

    def test_gvnic_alone_with_a_host_route(self):
        fake = self.fake()
        fake.virtual("Google")
        fake.nic("ens4", "0000:00:04.0", mtu=1460, **GVE)
        fake.address("ens4", "10.128.0.2/32", gateway="10.128.0.1").session("10.128.0.2", "203.0.113.5")
        answer = self.doctor()
        self.assertEqual(answer["suggestion"]["case"], "af_xdp")
        self.assertEqual(answer["suggestion"]["port"]["addresses"], ["10.128.0.2/32"])
        self.assertEqual(answer["nics"][0]["carries"], ["default route", "login session from 203.0.113.5"])

    def test_virtio_with_one_nic_and_ssh_on_it(self):
        fake = self.fake(cpus=2)
        fake.virtual("QEMU")
        fake.nic("eth0", "0000:00:03.0", queues=1, **VIRTIO)
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1").session("192.0.2.10", "203.0.113.5")
        fake.address("eth0", "2001:db8::10/64", gateway="2001:db8::1")
        fake.route("eth0", ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_address("192.0.2.254"))
        fake.routing()
        answer = self.doctor()
        suggestion = answer["suggestion"]
        self.assertEqual((suggestion["case"], suggestion["commands"]), ("af_xdp", []))
        self.assertEqual(suggestion["port"]["device"], "net_af_xdp0,iface=eth0")
        self.assertEqual(suggestion["port"]["addresses"], ["192.0.2.10/24", "2001:db8::10/64"])
        self.assertEqual(suggestion["port"]["gateways"], ["192.0.2.1", "2001:db8::1"])  # one of each family
        self.assertEqual(suggestion["lcores"], {"count": 1, "cpus": "1"})
        self.assertIn("login session", suggestion["why"])
        self.assertEqual(answer["nics"][0]["driver"], "virtio_net")
        self.assertEqual(self.mends(answer), "")

    def test_a_second_virtio(self):
        fake = self.fake()
        fake.virtual("QEMU")
        fake.nic("eth0", "0000:00:03.0", queues=1, **VIRTIO)
        fake.nic("eth1", "0000:00:04.0", queues=4, **VIRTIO)
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        suggestion = self.doctor()["suggestion"]
        self.assertEqual((suggestion["case"], suggestion["lcores"]["count"]), ("virtio", 4))

    def test_a_kernel_without_vfio_shares_the_free_nic(self):
        fake = self.fake()
        fake.write("/lib/modules/6.1.0-18-amd64/modules.dep", "kernel/net/tun.ko:")
        fake.nic("eth0", "0000:00:03.0", queues=1, **VIRTIO)
        fake.nic("eth1", "0000:00:04.0", queues=1, **VIRTIO)
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        suggestion = self.doctor()["suggestion"]
        self.assertEqual((suggestion["case"], suggestion["nic"]), ("af_xdp", "eth1"))
        self.assertIn("no vfio-pci", suggestion["why"])

    def test_an_old_kernel(self):
        fake = self.fake(kernel="5.10.0-28-amd64")
        fake.nic("eth0", "0000:00:03.0", **VIRTIO)
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        suggestion = self.doctor()["suggestion"]
        self.assertEqual(suggestion["case"], "kernel")
        self.assertIn("older than 5.18", suggestion["why"])

    def test_a_kernel_without_af_xdp(self):
        fake = self.fake()
        fake.write("/proc/net/protocols", "protocol\nTCP 1 1")
        fake.nic("eth0", "0000:00:03.0", **VIRTIO)
        fake.address("eth0", "192.0.2.10/24", gateway="192.0.2.1")
        self.assertIn("no AF_XDP", self.doctor()["suggestion"]["why"])


class Container(DoctorTest):
    def container(self, **options):
        fake = self.fake(**options)
        fake.write("/.dockerenv", "")
        fake.write("/proc/mounts", "shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k 0 0")
        fake.write("/sys/fs/cgroup/memory.max", str(2 << 30))
        fake.write("/sys/fs/cgroup/cpu.max", "250000 100000")
        fake.nic("eth0", driver=None, queues=1)
        fake.address("eth0", "172.17.0.2/16", gateway="172.17.0.1")
        return fake

    def test_without_capabilities(self):
        self.container(capabilities=CONTAINER_CAPABILITIES)
        answer = self.doctor()
        self.assertEqual((answer["suggestion"]["case"], answer["suggestion"]["port"]["kind"]), ("kernel", "kernel"))
        self.assertIn("CAP_NET_ADMIN", answer["suggestion"]["why"])
        self.assertIn("--shm-size", self.mends(answer))
        self.assertIn("2.5 CPUs as a quota", self.mends(answer))
        self.assertIn("2048 MiB of memory", self.mends(answer, "note"))

    def test_with_capabilities(self):
        self.container()
        suggestion = self.doctor()["suggestion"]
        self.assertEqual(suggestion["case"], "container-af_xdp")
        self.assertEqual(suggestion["port"]["device"], "net_af_xdp0,iface=eth0")
        self.assertEqual(suggestion["lcores"]["count"], 1)

    def test_a_devices_of_the_host_is_left_alone(self):
        fake = self.container()
        fake.iommu()
        fake.nic("ens1f0", "0000:3b:00.0", **INTEL)
        self.assertEqual(self.doctor()["suggestion"]["commands"], ["ethtool -L ens1f0 combined 1"])

    def test_memlock(self):
        fake = self.container(capabilities=(1 << 41) - 1 - (1 << 14))
        fake.write("/proc/self/limits", "Max locked memory         65536                65536                bytes")
        self.assertIn("memlock: 64 KiB", self.mends(self.doctor()))


class Nothing(DoctorTest):
    def test_no_nic(self):
        self.fake()
        answer = self.doctor()
        self.assertEqual((answer["nics"], answer["suggestion"]["case"]), ([], "kernel"))
        self.assertIn("no NIC", answer["suggestion"]["why"])

    def test_an_empty_folder(self):
        self.assertEqual(self.doctor()["suggestion"]["case"], "kernel")

    def test_this_machine(self):
        run = subprocess.run([DOCTOR], capture_output=True, text=True, timeout=30)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertIn("ports:", run.stdout)

    def test_json(self):
        self.fake().nic("eth0", "0000:01:00.0", **INTEL)
        run = subprocess.run([DOCTOR, "--json", "--root", self.folder.name], capture_output=True, text=True, timeout=30)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual(json.loads(run.stdout)["nics"][0]["pci"], "0000:01:00.0")

    def test_usage(self):
        run = subprocess.run([DOCTOR, "--nonsense"], capture_output=True, text=True, timeout=30)
        self.assertEqual(run.returncode, 2)


if __name__ == "__main__":
    unittest.main()
