# SPDX-License-Identifier: Apache-2.0
"""One row: a subject between generator and receiver, warmed up, measured over a window, and held against the truth."""
import contextlib
import os
import shutil
import tempfile
import time

from load import Generator, Receiver
from process import Failed, Group, wait_for
from subjects import DECISION_WAIT_S, free_port

STILL_S = 3  # the receiver's count stands still for so long: two of the Collector's ticks, and a batch's wait
AFTER_S = 3  # of load behind the window, while memory is read


def measure(subject, plan):
    """The row, as a dict. A subject that can't be measured is a row that is not valid, with the reason."""
    row = {"name": subject.name, "cpu_s_per_mspan": None, "spans_per_s": None, "bytes_per_buffered_span": None,
           "valid": False, "reasons": []}
    try:
        with session(subject, plan) as (group, folder):
            one(subject, plan, group, folder, row)
    except (Failed, OSError) as e:
        row["reasons"].append(str(e))
    row["valid"] = not row["reasons"]
    return row


@contextlib.contextmanager
def session(subject, plan):
    """A group of processes and a folder of theirs, which both end here. Logs and configs are kept if that is wished."""
    folder = tempfile.mkdtemp(prefix=f"tailrace-compare.{os.getpid()}.")
    try:
        with Group() as group:
            yield group, folder
    finally:
        subject.clean()
        if plan.keep:
            os.makedirs(plan.keep, exist_ok=True)
            for name in os.listdir(folder):
                if name.endswith((".log", ".yaml")):
                    shutil.copy(os.path.join(folder, name), os.path.join(plan.keep, f"{subject.name}.{name}"))
        shutil.rmtree(folder)


def begin(subject, plan, group, folder, seconds):
    sink = free_port()
    receiver = Receiver(group, plan.programs["receiver"], plan.load_cpu, folder, sink)
    subject.start(group, plan.cpu, folder, sink)
    generator = Generator(group, plan.programs["tailgen"], plan.load_cpu, folder, subject.to(), seconds, subject.streams,
                          subject.generator_options())
    return receiver, generator


def one(subject, plan, group, folder, row):
    receiver, generator = begin(subject, plan, group, folder, plan.warmup_s + plan.window_s + AFTER_S)
    first, last = window(subject, generator, plan, row)
    done = generator.finish()
    settle(subject, receiver)
    after = subject.mark()
    row["reasons"] += subject.faults(first, last, after, done["spans_acknowledged"])
    if done["spans_failed"]:
        row["reasons"].append(f"{done['spans_failed']} spans were not accepted")
    if subject.sampled is not None:
        row["reasons"] += truth_faults(subject, receiver, generator, row)


def window(subject, generator, plan, row):
    """CPU time and accepted spans between two lines of progress. Returns what the subject said of itself at both."""
    marks = [generator.until(plan.warmup_s)]
    if not marks[0]:
        raise Failed("the load ended before it was measured")
    cpu_s, first = -subject.process.cpu_seconds(), subject.mark()
    while marks[-1]["seconds"] < marks[0]["seconds"] + plan.window_s:
        mark = generator.until(0)
        if not mark:
            raise Failed("the load ended while it was measured")
        marks.append(mark)
    cpu_s += subject.process.cpu_seconds()
    last = subject.mark()
    spans = marks[-1]["spans_acknowledged"] - marks[0]["spans_acknowledged"]
    seconds = marks[-1]["seconds"] - marks[0]["seconds"]
    if not spans:
        raise Failed("no span was accepted in the measured time")
    row.update(cpu_s_per_mspan=round(cpu_s / spans * 1e6, 4), spans_per_s=round(spans / seconds),
               cpu_share=round(cpu_s / seconds, 3), memory_bytes=subject.process.memory_bytes())
    if subject.sampled:
        row["bytes_per_buffered_span"] = bytes_per_span(row["memory_bytes"], marks)
    return first, last


def bytes_per_span(memory, marks):
    """What is buffered came within decision_wait. None: the marks don't reach back so far."""
    since = marks[-1]["seconds"] - DECISION_WAIT_S
    before = [m for m in marks if m["seconds"] <= since + 0.5]
    buffered = marks[-1]["spans_acknowledged"] - before[-1]["spans_acknowledged"] if before else 0
    return round(memory / buffered, 1) if buffered else None


def settle(subject, receiver):
    """Until all is decided and has arrived. The Collector doesn't say when, so it is given its decision_wait."""
    if subject.sampled is None:
        return
    if subject.sampled:
        time.sleep(DECISION_WAIT_S)
    wait_for(subject.is_settled, f"{subject.name} to decide and deliver all", 60, every=0.5)
    seen, since = -1, time.monotonic()
    end = time.monotonic() + 60
    while time.monotonic() - since < STILL_S:
        if time.monotonic() > end:
            raise Failed("spans still arrive a minute after the load ended")
        spans = receiver.counts()["spans"]
        if spans != seen:
            seen, since = spans, time.monotonic()
        time.sleep(0.25)


def truth_faults(subject, receiver, generator, row):
    """What reached the receiver against what the generator sent: the traces kept are those of the policies, whole."""
    counts, truth = receiver.counts(), receiver.check(generator.truth, subject.sampled)
    report = generator.report()
    row["kept"] = {"spans": counts["spans"], "traces": counts["traces"], "expected": truth["expected_traces"],
                   "missing": truth["missing"], "superfluous": truth["superfluous"], "partial": truth["partial"]}
    faults = []
    if truth["missing"] or truth["superfluous"] or truth["partial"]:
        faults.append(f"of {truth['expected_traces']} traces to keep {truth['missing']} are missing at the receiver, "
                      f"{truth['partial']} are not whole, {truth['superfluous']} came beside them")
    if truth["unread"] or truth["sent_spans"] != report["spans_acknowledged"]:
        faults.append(f"the truth speaks of {truth['sent_spans']} spans, the generator of {report['spans_acknowledged']}")
    if counts["malformed"]:
        faults.append(f"{counts['malformed']} requests to the receiver were malformed")
    if subject.sampled and counts["spans_with_keys"]:
        faults.append(f"{counts['spans_with_keys']} spans kept user.id or order.id as attributes")
    return faults


WITH_TABLES = 1.45  # what the tables beside a journal take of it, once they have been through


def reach(journal):
    """What of a journal is filled before its oldest part is let go."""
    return journal - min(journal / 8, 256 << 20)


def journal_bytes(rate, room):
    """The least journal, a power of two, that reaches back decision_wait at so many bytes a second, with a quarter more
    for rates that differ. If `room` has no place for that, the largest that has, as long as it would do at this very
    rate."""
    need, size = rate * DECISION_WAIT_S, 1 << 28
    while reach(size) < 1.25 * need:
        size *= 2
    while size * WITH_TABLES > room and reach(size / 2) >= need:
        size //= 2
    if size * WITH_TABLES > room:
        raise Failed(f"a journal of {size >> 20} MiB does not fit into the {room >> 20} MiB that are free")
    return size


def journal_rate(subject, plan):
    """Bytes a second that reach the journal, by a short trial."""
    name = "tailrace_journal_bytes_committed_total"
    with session(subject, plan) as (group, folder):
        _, generator = begin(subject, plan, group, folder, plan.trial_s)
        before, first = generator.until(plan.trial_s / 2), subject.mark()
        after, last = generator.until(plan.trial_s - 1), subject.mark()
        if not before or not after:
            raise Failed("the trial's load ended early")
        return (last[name] - first[name]) / max(after["seconds"] - before["seconds"], 1)
