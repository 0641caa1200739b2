# SPDX-License-Identifier: Apache-2.0
"""From repetitions to rows, from rows to ratios and a table."""
import statistics

PEERS = ("collector_tail", "collector_tail_equal_memory", "rotel", "rotel_no_output", "collector_nop")


def combine(repetitions):
    """The repetition of median cost among those that are valid, and what the others cost. A row is valid if more than
    half of its repetitions are."""
    good = [r for r in repetitions if r["valid"]]
    if 2 * len(good) > len(repetitions):
        middle = statistics.median_low([r["cpu_s_per_mspan"] for r in good])
        row = dict(next(r for r in good if r["cpu_s_per_mspan"] == middle))
    else:
        row = dict(next(r for r in repetitions if not r["valid"]))
    if len(repetitions) > 1:
        row["repetitions"] = [{"cpu_s_per_mspan": r["cpu_s_per_mspan"], "valid": r["valid"], "reasons": r["reasons"]}
                              for r in repetitions]
    return row


def ratio(peer, ours):
    """The peer's CPU seconds a span over ours; None if either did not count."""
    if not (peer and ours and peer["valid"] and ours["valid"]):
        return None
    return round(peer["cpu_s_per_mspan"] / ours["cpu_s_per_mspan"], 2)


def report(rows):
    by_name = {row["name"]: row for row in rows}
    ratios = {kind: {peer: ratio(by_name.get(peer), by_name.get("tailrace_" + kind)) for peer in PEERS}
              for kind in ("kernel", "memif")}
    # Under 30 policies: the Collector over tailrace, and each over itself under three.
    ratios["thirty"] = {"collector_tail": ratio(by_name.get("collector_tail_thirty"), by_name.get("tailrace_kernel_thirty")),
                        "tailrace_of_three": ratio(by_name.get("tailrace_kernel_thirty"), by_name.get("tailrace_kernel")),
                        "collector_of_three": ratio(by_name.get("collector_tail_thirty"), by_name.get("collector_tail"))}
    return {"rows": rows, "ratios": ratios}


def text_of(value, form):
    return "-" if value is None else format(value, form)


def table(result):
    lines = [f"{'':28}{'CPU s a':>10}{'spans/s':>12}{'bytes a':>12}{'CPU':>8}{'memory':>11}",
             f"{'':28}{'Mspan':>10}{'':>12}{'held span':>12}{'share':>8}{'':>11}"]
    for row in result["rows"]:
        memory = row.get("memory_bytes")
        lines.append(f"{row['name']:28}{text_of(row['cpu_s_per_mspan'], '10.3f'):>10}{text_of(row['spans_per_s'], ','):>12}"
                     f"{text_of(row['bytes_per_buffered_span'], ',.0f'):>12}{text_of(row.get('cpu_share'), '.2f'):>8}"
                     f"{text_of(memory and memory / 2**20, ',.0f'):>7}{' MiB' if memory else ''}"
                     f"{'' if row['valid'] else '   void'}")
    lines += ["", f"{'peer over tailrace':28}{'kernel':>10}{'memif':>12}"]
    for peer in PEERS:
        lines.append(f"{peer:28}" + f"{text_of(result['ratios']['kernel'][peer], '.2f'):>10}"
                     f"{text_of(result['ratios']['memif'][peer], '.2f'):>12}")
    thirty = result["ratios"].get("thirty", {})
    for name, what in (("collector_tail", "collector_tail over tailrace, 30 policies"),
                       ("tailrace_of_three", "tailrace, 30 policies over 3"),
                       ("collector_of_three", "collector_tail, 30 policies over 3")):
        if thirty.get(name):
            lines.append(f"{what:44}{thirty[name]:.2f}")
    void = [row for row in result["rows"] if not row["valid"]]
    if void:
        lines += ["", "Void:"] + [f"  {row['name']}: {reason}" for row in void for reason in row["reasons"]]
    return "\n".join(lines)
