# SPDX-License-Identifier: Apache-2.0
"""CPUs, memory, hugepages, IOMMU, limits, kernel and packages."""
import re

from root import number_list

CAPABILITIES = {"net_admin": 12, "ipc_lock": 14, "net_raw": 13, "sys_admin": 21, "sys_rawio": 17, "bpf": 39}
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
UNITS = {"": 1, "k": KIB, "m": MIB, "g": GIB}


def read(root):
    status = dict(line.split(":", 1) for line in root.lines("/proc/self/status") if ":" in line)
    effective = int(status.get("CapEff", "0").strip() or "0", 16)
    facts = {
        "kernel": kernel(root),
        "virtual": virtual(root),
        "container": container(root),
        "capabilities": sorted(name for name, bit in CAPABILITIES.items() if effective >> bit & 1),
        "cpus": cpus(root, number_list(status.get("Cpus_allowed_list", "0"))),
        "memory": memory(root),
        "hugepages": hugepages(root),
        "iommu": iommu(root),
        "cgroup": cgroup(root),
        "packages": packages(root),
    }
    return facts


def kernel(root):
    release = root.read("/proc/sys/kernel/osrelease")
    found = re.match(r"(\d+)\.(\d+)", release)
    protocols = [line.split()[0] for line in root.lines("/proc/net/protocols") if line.split()]
    return {"release": release, "version": [int(found[1]), int(found[2])] if found else [0, 0],
            "af_xdp": "XDP" in protocols, "command_line": root.read("/proc/cmdline")}


def virtual(root):
    """Who made the machine, if a hypervisor did."""
    if not re.search(r"^flags.*\bhypervisor\b", root.read("/proc/cpuinfo"), re.M) and \
            "amazon ec2" not in root.read("/sys/class/dmi/id/sys_vendor").lower():
        return None
    if root.read("/sys/class/dmi/id/product_name").endswith(".metal"):
        return None
    return root.read("/sys/class/dmi/id/sys_vendor") or "unknown"


def container(root):
    for path in "/.dockerenv", "/run/.containerenv", "/run/systemd/container":
        if root.exists(path):
            return path
    found = re.search(r"docker|kubepods|containerd|libpod|lxc", root.read("/proc/1/cgroup"))
    return found[0] if found else None


def cpus(root, allowed):
    at = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    nodes = {}
    for name in root.list("/sys/devices/system/node"):
        if re.fullmatch(r"node\d+", name):
            nodes[int(name[4:])] = number_list(root.read(f"/sys/devices/system/node/{name}/cpulist"))
    return {"allowed": allowed, "nodes": nodes or {0: allowed},
            "siblings": {cpu: number_list(root.read(at.format(cpu))) or [cpu] for cpu in allowed},
            "smt": root.read("/sys/devices/system/cpu/smt/active") == "1",
            "isolated": number_list(root.read("/sys/devices/system/cpu/isolated"))}


def memory(root):
    info = dict(line.split(":", 1) for line in root.lines("/proc/meminfo") if ":" in line)
    total = int(info.get("MemTotal", "0 kB").split()[0]) * KIB
    shm = None
    for line in root.lines("/proc/mounts"):
        _, where, kind, options, *_ = line.split() + [""] * 4
        if where == "/dev/shm" and kind == "tmpfs":
            size = re.search(r"\bsize=(\d+)([kmg]?)", options)
            shm = int(size[1]) * UNITS[size[2]] if size else total // 2
    locked = re.search(r"Max locked memory\s+(\S+)", root.read("/proc/self/limits"))
    locked = None if not locked or locked[1] == "unlimited" else int(locked[1])
    return {"total_bytes": total, "shm_bytes": shm, "memlock_bytes": locked}


def hugepages(root):
    def sizes(folder):
        found = {}
        for name in root.list(folder):
            size = re.fullmatch(r"hugepages-(\d+)kB", name)
            if size:
                found[int(size[1]) // KIB] = {"total": root.number(f"{folder}/{name}/nr_hugepages"),
                                              "free": root.number(f"{folder}/{name}/free_hugepages")}
        return found
    nodes = {int(name[4:]): sizes(f"/sys/devices/system/node/{name}/hugepages")
             for name in root.list("/sys/devices/system/node") if re.fullmatch(r"node\d+", name)}
    mounts = [line.split()[1] for line in root.lines("/proc/mounts") if line.split()[2:3] == ["hugetlbfs"]]
    return {"mib": sizes("/sys/kernel/mm/hugepages"), "nodes": nodes, "mounts": mounts}


def iommu(root):
    release = root.read("/proc/sys/kernel/osrelease")
    modules = root.read(f"/lib/modules/{release}/modules.dep") + root.read(f"/lib/modules/{release}/modules.builtin")
    parameter = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
    return {"active": bool(root.list("/sys/class/iommu") or root.list("/sys/kernel/iommu_groups")),
            "vfio_pci_loaded": root.exists("/sys/module/vfio_pci"),
            "vfio_pci_available": "vfio-pci" in modules or root.exists("/sys/module/vfio_pci"),
            "noiommu": root.read(parameter) in ("Y", "1")}


def cgroup(root):
    """The tightest limit of the groups around this process, version 1 and 2."""
    limits = {"memory_bytes": None, "cpus": None}

    def least(name, value):
        if value is not None and (limits[name] is None or value < limits[name]):
            limits[name] = value

    for line in root.lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        parts = [p for p in path.split("/") if p and p != ".."]
        for depth in range(len(parts) + 1):
            folder = "/".join(["", *parts[:depth]])
            if controllers == "":
                text = root.read(f"/sys/fs/cgroup{folder}/memory.max")
                least("memory_bytes", int(text) if text.isdigit() else None)
                quota = root.read(f"/sys/fs/cgroup{folder}/cpu.max").split()
            elif "memory" in controllers.split(","):
                value = root.number(f"/sys/fs/cgroup/memory{folder}/memory.limit_in_bytes")
                least("memory_bytes", value if 0 < value < 1 << 60 else None)
                continue
            elif "cpu" in controllers.split(","):
                quota = [root.read(f"/sys/fs/cgroup/cpu{folder}/cpu.cfs_{what}_us") for what in ("quota", "period")]
            else:
                continue
            if len(quota) == 2 and quota[0].isdigit() and quota[1].isdigit():
                least("cpus", int(quota[0]) / int(quota[1]))
    return limits


def packages(root):
    """Installed packages of DPDK and what builds the XDP program, with their versions."""
    found = {}
    for paragraph in root.read("/var/lib/dpkg/status").split("\n\n"):
        name = re.search(r"^Package: (\S+)", paragraph, re.M)
        version = re.search(r"^Version: (\S+)", paragraph, re.M)
        if name and version and re.search(r"^Status: \S+ \S+ installed", paragraph, re.M) and \
                re.fullmatch(r"dpdk.*|libdpdk-dev|librte-(net|bus|common)-.*|libxdp1|clang|ethtool", name[1]):
            found[name[1]] = version[1]
    return found
