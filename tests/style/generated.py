#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A checked-in document is what its generator prints: generated.py DOCUMENT GENERATOR [ARGUMENT...]"""
import difflib
import pathlib
import subprocess
import sys

document, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
there = document.read_text() if document.exists() else ""
if printed != there:
    sys.stdout.writelines(difflib.unified_diff(there.splitlines(True), printed.splitlines(True), str(document), "generated"))
    generator = pathlib.Path(command[0])
    print(f"\n{document.name} is not what the sources' rows say. Run from the top of the tree:\n"
          f"  build/{generator.parent.name}/{generator.name} {' '.join(command[1:])} > docs/{document.name}")
    sys.exit(1)
