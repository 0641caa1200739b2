# SPDX-License-Identifier: Apache-2.0
"""Which NIC to take, how, and the config block for it. A NIC that the operator would miss is never taken from the
kernel: it is shared by net_af_xdp with our XDP program, or left alone."""
from nics import USER_DRIVERS
from root import number_text

# Kernel driver: what DPDK drives the NIC with, as Debian packages it.
PMDS = {"ixgbe": "librte-net-ixgbe23", "ixgbevf": "librte-net-ixgbe23", "i40e": "librte-net-i40e23",
        "iavf": "librte-net-iavf23", "ice": "librte-net-ice23", "igb": "librte-net-e1000-23",
        "e1000e": "librte-net-e1000-23", "igc": "librte-net-igc23", "bnxt_en": "librte-net-bnxt23",
        "mlx5_core": "librte-net-mlx5-23", "ena": "librte-net-ena23", "gve": "librte-net-gve23",
        "virtio_net": "librte-net-virtio23", "vmxnet3": "librte-net-vmxnet3-23"}
CASES = {"ena": "ena", "gve": "gvnic", "virtio_net": "virtio", "mlx5_core": "mlx5"}
# MTU up to which a driver takes an XDP program onto its own receive path, in Debian 12's kernel, a little below where
# the limit isn't a round number: Intel's buffers are 3 KiB, gVNIC's 2 KiB, the others' a page less headroom.
XDP_MTU_MAX = {"ena": 3498, "virtio_net": 3500, "ixgbe": 3000, "ixgbevf": 3000, "i40e": 3000, "ice": 3000, "igb": 1500,
               "gve": 2000}
AF_XDP_KERNEL = [5, 18]  # programs that look at the first part of a long frame
AF_XDP_CAPABILITIES = ["bpf", "net_admin", "sys_admin"]
LISTEN = [4317, 4318]


def kind_of(nic):
    return nic.get("kind") or nic["driver"]


def usable(nic):
    """Can DPDK drive it? What vfio-pci holds already is somebody's choice; mlx5 needs its kernel driver."""
    if kind_of(nic) == "mlx5_core":
        return nic["interface"] is not None
    return kind_of(nic) in PMDS or nic["driver"] in USER_DRIVERS


def make(facts):
    free = [nic for nic in facts["nics"] if not nic["carries"] and nic["pci"] and usable(nic)]
    free.sort(key=lambda n: (n["interface"] is not None, not n["up"], -(n["speed_mbps"] or 0), n["pci"]))
    why_not = []
    if free and not facts["container"]:
        nic = free[0]
        if kind_of(nic) == "mlx5_core":
            return bifurcated(facts, nic)
        if facts["iommu"]["vfio_pci_available"]:
            return vfio(facts, nic)
        why_not.append(f"{nic['interface'] or nic['pci']} is free, but this kernel has no vfio-pci")
    reason = af_xdp_forbidden(facts)
    shared = sorted((nic for nic in facts["nics"] if nic["interface"] and nic["up"] is not False),
                    key=lambda n: (bool(n["carries"]), not n["addresses"], -(n["speed_mbps"] or 0), n["interface"]))
    if shared and not reason:
        return af_xdp(facts, shared[0], why_not)
    return kernel(why_not + [reason if shared else "there is no NIC to take frames from"])


def af_xdp_forbidden(facts):
    kernel_facts = facts["kernel"]
    if not kernel_facts["af_xdp"]:
        return "this kernel has no AF_XDP (CONFIG_XDP_SOCKETS)"
    if kernel_facts["version"] < AF_XDP_KERNEL:
        return f"kernel {kernel_facts['release']} is older than {AF_XDP_KERNEL[0]}.{AF_XDP_KERNEL[1]}"
    missing = [c for c in AF_XDP_CAPABILITIES if c not in facts["capabilities"]]
    if missing:
        return "AF_XDP needs " + ", ".join("CAP_" + c.upper() for c in missing) + " (or root), which is not here"
    return None


def lcores(facts, nic, most):
    """One data lcore a physical core of the NIC's node; the first core is left to the kernel and our other threads."""
    cpus = facts["cpus"]
    node = nic["numa_node"] if nic and nic["numa_node"] in cpus["nodes"] else None
    near = [c for c in cpus["allowed"] if node is None or c in cpus["nodes"][node]] or cpus["allowed"]
    cores = [c for c in near if min(s for s in cpus["siblings"][c] if s in cpus["allowed"]) == c]
    if len(cores) > 1 and cores[0] == min(cpus["allowed"]):
        cores = cores[1:]
    isolated = [c for c in cores if c in cpus["isolated"]]
    cores = isolated or cores
    if facts["cgroup"]["cpus"] is not None:
        most = min(most, max(1, int(facts["cgroup"]["cpus"]) - 1))
    cores = cores[:max(1, most)]
    return {"count": len(cores), "cpus": number_text(cores)}


def port(nic, device, name="wan0"):
    gateways = {":" in g: g for g in reversed(nic["gateways"])}  # the first of each family
    return {"name": name, "kind": "dpdk", "device": device, "addresses": nic["addresses"] or ["198.18.0.2/24"],
            "gateways": [gateways[v6] for v6 in sorted(gateways)], "listen": LISTEN,
            "example_addresses": not nic["addresses"]}


def made(case, nic, why, commands, the_port, the_lcores, notes):
    return {"case": case, "nic": nic and (nic["interface"] or nic["pci"]), "why": why, "commands": commands,
            "port": the_port, "lcores": the_lcores, "notes": notes, "config": config(the_port, the_lcores)}


def taken(nic):
    """What a NIC loses that leaves the kernel."""
    if not nic["interface"]:
        return []
    notes = [f"{nic['interface']} disappears from the kernel"]
    if nic["addresses"]:
        notes[0] += f": {', '.join(nic['addresses'])} is then tailrace's alone"
    return notes


def vfio(facts, nic):
    assert not nic["carries"], nic
    case = CASES.get(kind_of(nic), "vfio")
    commands, notes = [], taken(nic)
    if nic["driver"] not in USER_DRIVERS:
        commands.append("modprobe vfio-pci")
        if not facts["iommu"]["active"]:
            if not facts["iommu"]["noiommu"]:
                commands.append("echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode")
            notes.append("without an IOMMU the device can write anywhere in memory; DPDK then needs hugepages and root")
        if nic["interface"]:
            commands.append(f"ip link set dev {nic['interface']} down")
        commands.append(f"dpdk-devbind.py --bind=vfio-pci {nic['pci']}")
    if case == "ena":
        notes.append("for ENA's low-latency queues vfio-pci must map write-combined: docs/nics.md")
    if case == "gvnic":
        notes.append("DPDK 22.11 drives gVNIC's GQI queues only, not DQO (third-generation machines): docs/nics.md")
    if nic["driver"] in USER_DRIVERS:
        why = f"{nic['pci']} is with {nic['driver']} already"
        return made(case, nic, why, [], port(nic, nic["pci"]), lcores(facts, nic, 64), notes)
    why = f"{nic['interface'] or nic['pci']} carries neither the default route nor a login session"
    return made(case, nic, why, commands, port(nic, nic["pci"]), lcores(facts, nic, nic["queues"] or 64), notes)


def bifurcated(facts, nic):
    assert not nic["carries"], nic
    notes = [f"mlx5 keeps its kernel driver: {nic['interface']} stays visible, but its frames come to tailrace"]
    why = f"{nic['interface']} is an mlx5 that carries neither the default route nor a login session"
    return made("mlx5", nic, why, [], port(nic, nic["pci"]), lcores(facts, nic, 64), notes)


def af_xdp(facts, nic, why_not):
    name, commands = nic["interface"], []
    queues = most = 1 if nic["driver"] == "veth" else nic["queues"]
    if nic["driver"] == "ena":
        most = max(1, queues // 2)  # the other half sends what XDP redirects
    the_lcores = lcores(facts, nic, most)
    count = the_lcores["count"]
    if queues > count:
        commands.append(f"ethtool -L {name} combined {count}")
    limit = XDP_MTU_MAX.get(nic["driver"])
    if limit and nic["mtu"] > limit:
        commands.append(f"ip link set dev {name} mtu {limit}")
    device = f"net_af_xdp0,iface={name}" + (f",queue_count={count}" if count > 1 else "")
    notes = ["each receive queue needs a socket of ours: what arrives on another goes to the kernel, which refuses it"]
    if nic["carries"]:
        why = f"{name} carries the {' and the '.join(nic['carries'][:2])}: only TCP to our ports is taken from it"
    else:
        why = f"{name} is shared with the kernel: only TCP to our ports is taken from it"
    case = "container-af_xdp" if facts["container"] else "af_xdp"
    return made(case, nic, "; ".join(why_not + [why]), commands, port(nic, device), the_lcores, notes)


def kernel(why_not):
    the_port = {"name": "local", "kind": "kernel", "listen": [f"0.0.0.0:{p}" for p in LISTEN]}
    return made("kernel", None, "; ".join(why_not), [], the_port, {"count": "auto", "cpus": "auto"}, [])


def config(the_port, the_lcores):
    """The YAML: JSON's strings and lists are YAML's too."""
    def quoted(items):
        return "[" + ", ".join(f'"{i}"' if isinstance(i, str) else str(i) for i in items) + "]"

    lines = [f"lcores: {{count: {the_lcores['count']}, cpus: \"{the_lcores['cpus']}\"}}", "ports:",
             f"  - name: {the_port['name']}", f"    kind: {the_port['kind']}"]
    if the_port["kind"] == "dpdk":
        example = "  # an example: put yours" if the_port["example_addresses"] else ""
        lines += [f"    device: \"{the_port['device']}\"", f"    addresses: {quoted(the_port['addresses'])}{example}"]
        if the_port["gateways"]:
            lines.append(f"    gateways: {quoted(the_port['gateways'])}")
        else:
            lines.append("    # gateways: [\"...\"]  # if clients are not on the same link")
    lines.append(f"    listen: {quoted(the_port['listen'])}")
    return "\n".join(lines) + "\n"
