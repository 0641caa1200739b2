#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/configuration.md is what the rows of options say, and the configs in conf/ are good.

  configuration.py TAILRACED SOURCE
"""
import pathlib
import subprocess
import sys

daemon, source = sys.argv[1], pathlib.Path(sys.argv[2])
faults = []
reference = subprocess.run([daemon, "--reference"], capture_output=True, text=True, check=True).stdout
if (source / "docs/configuration.md").read_text() != reference:
    faults.append("docs/configuration.md is not what `tailraced --reference` prints: write it anew")
OTHERS = ("alerts.yaml", "scale-out-collector.yaml")  # of Prometheus; of the Collector: tests/e2e/test_load_balancing.py
for path in sorted((source / "conf").glob("*.yaml")):
    if path.name in OTHERS:
        continue
    done = subprocess.run([daemon, "-c", path, "--check"], capture_output=True, text=True)
    if done.returncode:
        faults.append(done.stderr.strip())
print("\n".join(faults) or "docs/configuration.md and conf/: good")
sys.exit(bool(faults))
