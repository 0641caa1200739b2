#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/tcp-conformance.md names tests that exist and run, and leaves no requirement of RFC 9293 out.

  conformance.py SOURCE
"""
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
text = (source / "docs/tcp-conformance.md").read_text()
faults = []


def tests_of(theme):
    """The names that a test program runs, or None."""
    for name in (f"test_tcp_conformance_{theme}.c", f"test_{theme}.c"):
        path = source / "tests/unit/net" / name
        if path.exists():
            return set(re.findall(r"(?:cmocka_unit_test\w*|conform_test)\((\w+)", path.read_text()))
    return None


tcp, below = text.split("\n## Below TCP\n")
named = set(re.findall(r"`([a-z0-9_]+)/([a-z0-9_]+)`", tcp))
for theme, names in re.findall(r"test_(\w+): (\w+(?:, \w+)*)", below):
    named |= {(theme, name) for name in names.split(", ") if "_" in name}
named = sorted(named)
for theme, name in named:
    tests = tests_of(theme)
    if tests is None:
        faults.append(f"{theme}/{name}: tests/unit/net has no {theme}")
    elif name not in tests:
        faults.append(f"{theme}/{name}: {theme} runs no such test")

# Every requirement has a row, and every row says done, by a test, or why not.
rows = re.findall(r"^\| ((?:MUST|SHLD|MAY|REC)-\d+) \|(.*)\|$", tcp, re.M)
wanted = [f"{kind}-{n}" for kind, most in (("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)) for n in range(1, most + 1)]
for missing in sorted(set(wanted) - {row[0] for row in rows}):
    faults.append(f"{missing}: no row")
for number, rest in re.findall(r"^\| ([^|]+) \|(.*)\|$", tcp, re.M):
    cells = [cell.strip() for cell in rest.split("|")]
    if number == "number" or set(number) <= set("- "):
        continue
    if len(cells) != 3 or cells[1] not in ("yes", "no", "does not arise"):
        faults.append(f"{number}: not `| number | what | yes, no or does not arise | test or why |`")
    elif cells[1] == "yes" and not re.search(r"`\w+/\w+`", cells[2]):
        faults.append(f"{number}: done, but by no test")
    elif cells[1] != "yes" and not cells[2]:
        faults.append(f"{number}: not done, and does not say why")
print("\n".join(faults) or f"docs/tcp-conformance.md: {len(named)} tests, {len(rows)} requirements of RFC 9293")
sys.exit(bool(faults))
