# SPDX-License-Identifier: Apache-2.0
"""What is well, what is worth knowing, and what is wrong with the command that mends it."""
from machine import GIB, MIB
from root import number_text
from suggestion import PMDS, af_xdp_forbidden, kind_of

HUGEPAGE_MIB = 2
HUGE_MIB_WANTED = 1024  # frames of a few queues and DPDK's own
SHM_LEAST = 1 * GIB


def finding(level, what, mend=None):
    return {"level": level, "what": what, "mend": mend}


def ok(what):
    return finding("ok", what)


def note(what, mend=None):
    return finding("note", what, mend)


def bad(what, mend=None):
    return finding("bad", what, mend)


def find(facts):
    found = [kernel(facts), *iommu(facts), *hugepages(facts), *cpus(facts), *limits(facts), *packages(facts)]
    return [f for f in found if f]


def uses(facts, *cases):
    return facts["suggestion"]["case"] in cases


def uses_vfio(facts):
    return not uses(facts, "kernel", "af_xdp", "container-af_xdp", "mlx5")


def kernel(facts):
    text = f"kernel {facts['kernel']['release']}"
    why_not = af_xdp_forbidden(facts)
    return note(f"{text}: no net_af_xdp: {why_not}") if why_not else ok(f"{text}: AF_XDP can be used")


def iommu(facts):
    state = facts["iommu"]
    if state["active"]:
        yield ok("IOMMU: on")
    elif facts["virtual"] or facts["container"]:
        yield note("IOMMU: none, as in most virtual machines; vfio-pci works without, unsafely")
    else:
        yield (bad if uses_vfio(facts) else note)(
            "IOMMU: off", "GRUB_CMDLINE_LINUX in /etc/default/grub: add intel_iommu=on iommu=pt (AMD: iommu=pt), "
            "update-grub, reboot; VT-d or AMD-Vi in the firmware")
    if state["vfio_pci_loaded"]:
        yield ok("vfio-pci: loaded")
    elif state["vfio_pci_available"]:
        yield note("vfio-pci: there, not loaded", "modprobe vfio-pci" if uses_vfio(facts) else None)
    else:
        yield note("vfio-pci: not in this kernel")


def hugepages(facts):
    sizes, nodes = facts["hugepages"]["mib"], facts["hugepages"]["nodes"]
    total = sum(size * pages["total"] for size, pages in sizes.items())
    wanted = HUGE_MIB_WANTED // HUGEPAGE_MIB
    make = f"sysctl -w vm.nr_hugepages={wanted}, and vm.nr_hugepages={wanted} in /etc/sysctl.d/tailrace.conf"
    if not sizes:
        yield note("hugepages: this kernel has none; DPDK runs on small pages (slower, no device without an IOMMU)")
    elif not total:
        level = bad if uses_vfio(facts) or uses(facts, "mlx5") else note
        yield level("hugepages: none set aside", None if facts["container"] else make)
    else:
        text = ", ".join(f"{p['total']} of {s} MiB ({p['free']} free)" for s, p in sorted(sizes.items()) if p["total"])
        yield (ok if total >= HUGE_MIB_WANTED else note)(f"hugepages: {text}")
    nic = chosen(facts)
    if total and len(nodes) > 1 and nic and nic["numa_node"] in nodes:
        here = sum(size * pages["total"] for size, pages in nodes[nic["numa_node"]].items())
        if not here:
            at = f"/sys/devices/system/node/node{nic['numa_node']}/hugepages/hugepages-2048kB/nr_hugepages"
            yield bad(f"hugepages: none on node {nic['numa_node']}, where {facts['suggestion']['nic']} is",
                      f"echo {wanted} > {at}")


def cpus(facts):
    state = facts["cpus"]
    yield ok(f"CPUs: {len(state['allowed'])} ({number_text(state['allowed'])}), {len(state['nodes'])} NUMA "
             f"node{'s' if len(state['nodes']) > 1 else ''}, SMT {'on' if state['smt'] else 'off'}")
    if state["smt"]:
        yield note("SMT: two lcores on one core share its caches; the suggestion takes one thread a core")
    the_lcores = facts["suggestion"]["lcores"]
    if the_lcores["cpus"] != "auto" and len(state["allowed"]) > 3 and not state["isolated"]:
        cpu_list = the_lcores["cpus"]
        yield note("no CPU is isolated: timers and other work interrupt the lcores",
                   f"kernel command line: isolcpus=managed_irq,domain,{cpu_list} nohz_full={cpu_list} "
                   f"rcu_nocbs={cpu_list}")


def limits(facts):
    group, memory = facts["cgroup"], facts["memory"]
    if group["memory_bytes"] is not None and group["memory_bytes"] < memory["total_bytes"]:
        yield note(f"cgroup: {group['memory_bytes'] // MIB} MiB of memory; journals on /dev/shm count into it")
    if group["cpus"] is not None:
        yield bad(f"cgroup: {group['cpus']:g} CPUs as a quota: a polling lcore is stopped when it is used up",
                  "whole CPUs by cpuset and no quota (Kubernetes: static CPU manager, integer requests = limits)")
    locked = memory["memlock_bytes"]
    if locked is not None and "ipc_lock" not in facts["capabilities"] and not uses(facts, "kernel"):
        yield bad(f"memlock: {locked // 1024} KiB; frames for a NIC must be locked in memory",
                  "ulimit -l unlimited (systemd: LimitMEMLOCK=infinity; Docker: --ulimit memlock=-1)")
    shm = memory["shm_bytes"]
    if shm is None:
        yield bad("/dev/shm: no tmpfs there; journals need one", "mount -t tmpfs -o size=50% tmpfs /dev/shm")
    elif shm < SHM_LEAST:
        how = "--shm-size=4g (Kubernetes: an emptyDir with medium: Memory at /dev/shm)" if facts["container"] else \
            "mount -o remount,size=50% /dev/shm"
        yield bad(f"/dev/shm: {shm // MIB} MiB; journals lie there", how)
    else:
        yield ok(f"/dev/shm: {shm / GIB:.1f} GiB")


def chosen(facts):
    name = facts["suggestion"]["nic"]
    return next((nic for nic in facts["nics"] if name and name in (nic["interface"], nic["pci"])), None)


def packages(facts):
    nic, have = chosen(facts), facts["packages"]
    wanted = []
    if uses(facts, "af_xdp", "container-af_xdp"):
        wanted = ["librte-net-af-xdp23"] + (["ethtool"] if facts["suggestion"]["commands"] else [])
    elif nic:
        pmd = PMDS.get(kind_of(nic))  # None: a device that only its vendor's numbers tell
        wanted = ([pmd] if pmd else []) + (["dpdk"] if uses_vfio(facts) else [])
    missing = [name for name in wanted if not any(p == name or name == "dpdk" and p == "dpdk-dev" for p in have)]
    if missing:
        yield bad(f"packages: {', '.join(missing)} missing", f"apt install {' '.join(missing)}")
    elif wanted:
        yield ok(f"packages: {', '.join(wanted)}")
    if uses(facts, "af_xdp", "container-af_xdp") and facts["xdp_program"] is False:
        yield bad("the XDP program is not built", "ninja -C build")
