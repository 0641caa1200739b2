# SPDX-License-Identifier: Apache-2.0
"""NICs: what they are, who drives them, and what the operator has on them."""
import re

from routes import Routes

PCI = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
USER_DRIVERS = {"vfio-pci", "igb_uio", "uio_pci_generic"}
# What a PCI vendor's and device's numbers mean where no kernel driver tells it (bound to vfio-pci).
KINDS = {("0x1d0f", None): "ena", ("0x1ae0", "0x0042"): "gve", ("0x15b3", None): "mlx5_core",
         ("0x1af4", "0x1000"): "virtio_net", ("0x1af4", "0x1041"): "virtio_net"}


def read(root):
    routes = Routes(root)
    found = [nic for name in root.list("/sys/class/net") if (nic := interface(root, routes, name))]
    seen = {nic["pci"] for nic in found}
    for pci in root.list("/sys/bus/pci/devices"):
        if pci not in seen and root.read(f"/sys/bus/pci/devices/{pci}/class").startswith("0x0200"):
            found.append(without_interface(root, pci))
    carry(root, routes, found)
    return found


def interface(root, routes, name):
    at = f"/sys/class/net/{name}"
    if name == "lo" or root.read(f"{at}/type", "1") != "1":
        return None
    real = root.real(f"{at}/device") if root.exists(f"{at}/device") else ""
    driver = root.link_name(f"{at}/device/driver")
    if not real:  # no hardware behind it: a veth of a container is worth telling, a bridge or tunnel isn't
        if not root.exists(f"{at}/iflink") or root.read(f"{at}/iflink") == root.read(f"{at}/ifindex"):
            return None
        if root.exists(f"{at}/bridge") or any(n.startswith("lower_") for n in root.list(at)):
            return None
        driver = "veth"
    pci = (PCI.findall(real) or [None])[-1]
    speed = root.number(f"{at}/speed", -1)
    nic = {"interface": name, "driver": driver or "unknown", "pci": pci, "mac": root.read(f"{at}/address"),
           "up": root.read(f"{at}/operstate") in ("up", "unknown"), "mtu": root.number(f"{at}/mtu", 1500),
           "speed_mbps": speed if speed > 0 else None,
           "queues": sum(q.startswith("rx-") for q in root.list(f"{at}/queues")) or 1,
           "addresses": routes.addresses(name), "gateways": routes.defaults().get(name, [])}
    return nic | hardware(root, pci)


def without_interface(root, pci):
    at = f"/sys/bus/pci/devices/{pci}"
    vendor, device = root.read(f"{at}/vendor"), root.read(f"{at}/device")
    driver = root.link_name(f"{at}/driver") or "none"
    nic = {"interface": None, "driver": driver, "pci": pci, "mac": "", "up": None, "mtu": 1500, "speed_mbps": None,
           "queues": None, "addresses": [], "gateways": [],
           "kind": KINDS.get((vendor, device)) or KINDS.get((vendor, None))}
    return nic | hardware(root, pci)


def hardware(root, pci):
    at = f"/sys/bus/pci/devices/{pci}"
    if not pci:
        return {"vendor": None, "device": None, "numa_node": -1, "virtual_function": False, "iommu_group": None}
    return {"vendor": root.read(f"{at}/vendor"), "device": root.read(f"{at}/device"),
            "numa_node": root.number(f"{at}/numa_node", -1), "virtual_function": root.exists(f"{at}/physfn"),
            "physical_function": root.link_name(f"{at}/physfn") or None,
            "iommu_group": root.link_name(f"{at}/iommu_group") or None}


def below(root, name):
    """An interface and all that lie below it: the ports of a bridge or bond, the parent of a VLAN."""
    found, left = [], [name]
    while left:
        one = left.pop()
        if one not in found:
            found.append(one)
            left += [n[6:] for n in root.list(f"/sys/class/net/{one}") if n.startswith("lower_")]
    return found


def carry(root, routes, nics):
    """nic["carries"]: why a NIC must stay the kernel's."""
    names = [nic["interface"] for nic in nics if nic["interface"]]
    why = {name: [] for name in names}

    def add(name, reason):
        # A tunnel has nothing below it that sysfs tells: its packets may use any NIC.
        for one in [n for n in below(root, name) if n in names] or names:
            if reason not in why[one]:
                why[one].append(reason)

    for name in routes.defaults():
        add(name, "default route")
    for _, peer, through in routes.sessions():
        for name in through or names:
            add(name, f"login session from {peer}")
    for nic in nics:
        nic["carries"] = why.get(nic["interface"], [])
    # What shares a fate with such a NIC: its physical function, and the other devices of its IOMMU group.
    kept = [nic for nic in nics if nic["carries"]]
    for nic in nics:
        for other in kept:
            if nic is other or nic["carries"] or not nic["pci"]:
                continue
            if other.get("physical_function") == nic["pci"]:
                nic["carries"] = [f"the virtual function {other['interface']}"]
            elif nic["iommu_group"] and nic["iommu_group"] == other["iommu_group"] and nic["pci"] != other["pci"]:
                nic["carries"] = [f"{other['interface']}: the same IOMMU group"]
