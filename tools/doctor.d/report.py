# SPDX-License-Identifier: Apache-2.0
"""The facts for people."""
VENDORS = {"0x8086": "Intel", "0x15b3": "NVIDIA", "0x1d0f": "Amazon", "0x1ae0": "Google", "0x1af4": "virtio",
           "0x14e4": "Broadcom", "0x15ad": "VMware"}
MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def write(facts, out):
    def line(text=""):
        print(text, file=out)

    where = f"virtual machine ({facts['virtual']})" if facts["virtual"] else "bare metal"
    line(f"{where}{', in a container' if facts['container'] else ''}")
    line()
    for finding in facts["findings"]:
        line(f"{MARKS[finding['level']]}  {finding['what']}")
        if finding["mend"]:
            line(f"        mend: {finding['mend']}")
    line()
    for nic in facts["nics"]:
        line(describe(nic))
        if nic["carries"]:
            line(f"        carries: {', '.join(nic['carries'])}: it stays with the kernel")
    if not facts["nics"]:
        line("no NIC")
    line()
    suggestion = facts["suggestion"]
    line(f"suggestion ({suggestion['case']}): {suggestion['why']}")
    for command in suggestion["commands"]:
        line(f"    {command}")
    for one in suggestion["notes"]:
        line(f"    # {one}")
    line()
    out.write(suggestion["config"])


def describe(nic):
    parts = [nic["interface"] or "(no interface)"]
    if nic["pci"]:
        parts.append(nic["pci"])
    kind = f" {nic['kind']}" if nic.get("kind") else ""
    parts.append(f"{VENDORS.get(nic['vendor'], nic['vendor'] or '')} {nic['driver']}{kind}".strip())
    if nic["virtual_function"]:
        parts.append("virtual function")
    if nic["speed_mbps"]:
        parts.append(f"{nic['speed_mbps'] / 1000:g} Gbit/s")
    if nic["queues"]:
        parts.append(f"{nic['queues']} queue{'s' if nic['queues'] > 1 else ''}")
    if nic["numa_node"] >= 0:
        parts.append(f"node {nic['numa_node']}")
    if nic["interface"]:
        parts += [f"MTU {nic['mtu']}", "up" if nic["up"] else "down", *nic["addresses"]]
    return "  ".join(parts)
