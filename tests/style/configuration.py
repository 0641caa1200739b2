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
for name in ("quickstart.yaml", "tailrace.yaml"):
    done = subprocess.run([daemon, "-c", source / "conf" / name, "--check"], capture_output=True, text=True)
    if done.returncode:
        faults.append(done.stderr.strip())
print("\n".join(faults) or "docs/configuration.md and conf/: good")
sys.exit(bool(faults))
