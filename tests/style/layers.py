#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A folder of lib/ includes only itself and folders above it in the list of DESIGN (docs/architecture.md); only
port/dpdk includes DPDK beyond what needs no EAL; what runs in an lcore's turn reads no clock; every source file says its licence."""
import pathlib
import re
import sys

LAYERS = ["base", "config", "net", "port", "http", "journal", "otlp", "match", "trace", "policy", "attr", "red", "backend",
          "cluster", "lcore", "control"]
DPDK_WITHOUT_EAL = {"rte_ring.h", "rte_ring_elem.h", "rte_ring_peek.h", "rte_ring_peek_zc.h", "rte_rcu_qsbr.h",
                    "rte_hash_crc.h", "rte_byteorder.h", "rte_prefetch.h", "rte_pause.h"}
# Threads of their own, and who makes files at the start: in an lcore's turn `now` is an argument.
CLOCKS = {"backend", "control", "journal"}
root = pathlib.Path(sys.argv[1])
faults = []
for path in sorted((root / "lib").rglob("*.[ch]")):
    layer = path.relative_to(root / "lib").parts[0]
    above = LAYERS[:LAYERS.index(layer) + 1]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
        if not found:
            continue
        target = found[1]
        if "/" in target and target.split("/")[0] in LAYERS and target.split("/")[0] not in above:
            faults.append(f"{path}:{number}: {layer}/ may not include {target}: it lies below")
        if target == "base/clock.h" and layer not in CLOCKS:
            faults.append(f"{path}:{number}: {layer}/ has no clock: `now` is an argument")
        if target.startswith("rte_") and target not in DPDK_WITHOUT_EAL and "port/dpdk" not in str(path):
            faults.append(f"{path}:{number}: {target} needs an EAL; only port/dpdk may include it")
for folder in ("lib", "app", "tools", "perf", "tests"):
    for path in sorted((root / folder).rglob("*")):
        if {"node_modules", ".venv"} & set(path.parts):
            continue
        if path.suffix in (".c", ".h", ".py") and "SPDX-License-Identifier" not in path.read_text()[:300]:
            faults.append(f"{path}: no SPDX-License-Identifier line")
print("\n".join(faults) or "layers: clean")
sys.exit(bool(faults))
