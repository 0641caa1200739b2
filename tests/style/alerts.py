#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The alerting rules are rules, and speak only of metrics and label values that there are: alerts.py RULES GENDOCS"""
import re
import subprocess
import sys

import yaml

LABELS_OF_PLACES = {"lcore", "backend", "policy", "version"}
faults = []


def rows(gendocs):
    """{name: [{label: value}]} of every row."""
    found = {}
    for line in subprocess.run([gendocs, "names"], check=True, capture_output=True, text=True).stdout.splitlines():
        name, labels = re.fullmatch(r"(\w+)\{(.*)\}", line).groups()
        found.setdefault(name, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels)))
    return found


def check_selector(alert, name, matchers, known):
    if name not in known:
        faults.append(f"{alert}: there is no metric {name}")
        return
    for label, operator, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers or ""):
        values = {row[label] for row in known[name] if label in row}
        if label in LABELS_OF_PLACES:
            continue
        if not values:
            faults.append(f"{alert}: {name} has no label {label}")
        elif operator in ("=", "!=") and value not in values:
            faults.append(f"{alert}: {name} has no {label}=\"{value}\", only {sorted(values)}")
        elif operator in ("=~", "!~") and not any(re.fullmatch(value, one) for one in values):
            faults.append(f"{alert}: no {label} of {name} matches {value}")


def check_expression(alert, text, known):
    if text.count("(") != text.count(")") or text.count("{") != text.count("}"):
        faults.append(f"{alert}: brackets")
    found = re.findall(r"\b(tailrace_\w+)(?:\{([^}]*)\})?", text)
    if not found and "up{" not in text:
        faults.append(f"{alert}: speaks of no metric")
    for name, matchers in found:
        check_selector(alert, name, matchers, known)
        # A counter by itself only ever grows: rate() or increase() says something.
        for before in re.findall(r"(\w*)\(?\s*" + name, text):
            if name.endswith("_total") and before not in ("rate", "increase", "irate", "resets"):
                faults.append(f"{alert}: {name} is a counter, take its rate")


def check_rule(rule, known):
    alert = rule.get("alert", "(no name)")
    if not re.fullmatch(r"Tailrace[A-Z]\w+", alert):
        faults.append(f"{alert}: the name of an alert begins with Tailrace")
    if set(rule) - {"alert", "expr", "for", "labels", "annotations"}:
        faults.append(f"{alert}: unknown keys {set(rule)}")
    if not re.fullmatch(r"\d+[smhd]", str(rule.get("for", "0s"))):
        faults.append(f"{alert}: for: {rule['for']}")
    if rule.get("labels", {}).get("severity") not in ("critical", "warning", "info"):
        faults.append(f"{alert}: no severity")
    if set(rule.get("annotations", {})) != {"summary", "description"}:
        faults.append(f"{alert}: annotations are summary and description")
    check_expression(alert, str(rule.get("expr", "")), known)
    return alert


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = yaml.safe_load(file)
    known = rows(sys.argv[2])
    names = [check_rule(rule, known) for group in document["groups"] for rule in group["rules"]]
    faults.extend(f"{name}: twice" for name in set(names) if names.count(name) > 1)
    print("\n".join(faults) or f"{len(names)} alerts: clean")
    sys.exit(bool(faults))


main()
