# SPDX-License-Identifier: Apache-2.0
"""Hostile TCP beside honest clients: whatever is thrown at it, the clients' connections keep at least half of their
throughput, memory stays flat, the counters say what it was, and the accounts balance.

The clients ask for much less than the machine could do, because the attacker takes a CPU from them that he would not
have in earnest; for the same reason he sends no more than FRAMES frames a second. On a machine that does nothing else:
ATTACK_FRAMES=0 (as fast as it goes). ATTACK_LONG=1: longer, with more connections, which must be let go in the end.
"""
import json
import os
import signal
import subprocess
import threading

import netns
from harness import TAILGEN, run_story, wait_for
from wires import SERVER, Wire, forbidden

ATTACK = os.environ.get("ATTACK", "build/tests/e2e/attack")
LONG = "ATTACK_LONG" in os.environ
KINDS = os.environ.get("ATTACK_KINDS", "af_xdp").split(",")
SECONDS = 15 if LONG else 2
RATE = 20000  # spans a second
FRAMES = int(os.environ.get("ATTACK_FRAMES", "100000"))
LOAD_MAX = 500  # seconds of load, should nobody end it
HELD = 20000 if LONG else 4000  # connections of the attacker
OVERLAPS = 200
CONNECTION_KIB = 10  # what one that is accepted may take
REASSEMBLY_KIB = 16384  # ports[].tcp.reassembly, taken as it is used
MODES = {  # and the counters that name them
    "syn": [("tcp_syn_cookies_total", {"what": "sent"})],
    "ack": [("tcp_resets_total", {"direction": "held"})],
    "rst": [("tcp_drops_total", {"reason": "rst"}), ("tcp_challenge_acks_total", {"sent": "yes"})],
    "data": [("tcp_drops_total", {"reason": "no_timestamp"})],
    "fragments": [("net_drops_total", {"reason": "fragment"})],
    "sockstress": [("tcp_probes_total", {"kind": "zero_window"})],
    "hoard": [("tcp_out_of_order_total", {}), ("tcp_reassembly_evicted_total", {})],
    "overlap": [("tcp_drops_total", {"reason": "duplicate"})],
}


class Load:
    """Honest clients, until finish(); `lines` are (seconds, spans acknowledged), one a second."""

    def __init__(self, wire):
        self.lines, self.report = [], None
        self.process = wire.client.popen(TAILGEN, "--to", wire.to(), "--connections", 8, "--streams", 8, "--rate", RATE,
                                         "--duration", f"{LOAD_MAX}s", "--progress", "--json", stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            line = json.loads(line)
            if "spans_sent" in line:
                self.report = line
            else:
                self.lines.append((line["seconds"], line["spans_acknowledged"]))

    def wait_for_second(self, second):
        wait_for(lambda: self.lines and self.lines[-1][0] >= second, f"second {second} of the load")

    def rate(self, begin, end):
        """Spans a second between two indices of `lines`."""
        (t0, spans0), (t1, spans1) = self.lines[begin], self.lines[end]
        return (spans1 - spans0) / (t1 - t0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.thread.join()

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self.thread.join()
        assert self.report and self.report["spans_failed"] == 0, self.report
        return self.report


def victims(wire):
    """The honest connections, as the attacker might guess them."""
    lines = wire.client.run("ss", "-Htn", "state", "established", "dst", SERVER).splitlines()
    found = [line.split()[2] for line in lines]
    assert found
    return ",".join(found)


def attack(wire, load, mode):
    """One attack beside the load: the attacker's report, with the load's rate while it ran."""
    begin, seconds = len(load.lines) - 1, 3 * SECONDS if mode == "overlap" else SECONDS  # those want an answer each
    report = json.loads(wire.client.run(
        ATTACK, "--interface", wire.client_name, "--mac", wire.server_mac(), "--to", wire.to(), "--mode", mode, "--victims",
        victims(wire), "--seconds", seconds, "--rate", FRAMES, "--connections", OVERLAPS if mode == "overlap" else HELD,
        timeout=seconds + 30))
    wait_for(lambda: len(load.lines) > begin + 2, "the load's next second")
    return report | {"load": load.rate(begin, len(load.lines) - 1)}


def withstands(d, wire, load, mode, names, before, memory, opened):
    """One attack; returns how many connections it opened."""
    counted = [d.counter(name, **labels) for name, labels in names]
    report = attack(wire, load, mode)
    opened += report["established"]
    now = d.memory()
    print(f"  {mode}: {report['sent'] / report['seconds'] / 1e3:.0f} kframes/s; {before:.0f} spans/s before, "
          f"{report['load']:.0f} during; memory {now - memory:+} KiB; {opened} connections of the attacker", flush=True)
    assert report["load"] >= before / 2
    assert now < memory + 8192 + REASSEMBLY_KIB + CONNECTION_KIB * opened, (memory, now, opened)
    if mode == "overlap":
        assert report["answered_ok"] == report["established"] == OVERLAPS, report
    elif mode in ("sockstress", "hoard"):
        assert report["established"] > HELD / 2, report
    for (name, labels), value in zip(names, counted):
        assert d.counter(name, **labels) > value, f"{name} {labels} does not tell of it"
    return opened


def honest_clients_go_on(kind):
    with Wire(kind) as wire, wire.daemon(journal="256MiB", extra="connections: {max: 50000}") as d, \
            Load(wire) as load:
        load.wait_for_second(SECONDS)
        before, memory, opened = load.rate(0, len(load.lines) - 1), d.memory(), 0
        for mode, names in MODES.items():
            opened = withstands(d, wire, load, mode, names, before, memory, opened)
        load.finish()
        audit = d.settle()
        assert audit["accepted_spans"] == load.report["spans_acknowledged"], (audit, load.report)
        if LONG:
            wait_for(lambda: d.tailctl("connections")["total"] == 0, "the attacker's connections to be let go", 120)


def hoarders_beside_losses():
    """Honest connections need the pool at each loss, while others keep it full with what comes later."""
    with Wire("af_packet", relay={"latency": 2, "rate": 1000, "drop": 1, "seed": 2, "seconds": 60}) as wire, \
            wire.daemon(journal="256MiB", extra="connections: {max: 50000}") as d, Load(wire) as load:
        load.wait_for_second(3)
        before, begin = load.rate(0, len(load.lines) - 1), len(load.lines) - 1
        report = json.loads(wire.client.run(
            ATTACK, "--interface", wire.client_name, "--mac", wire.server_mac(), "--to", wire.to(), "--mode", "hoard",
            "--rate", 20000, "--seconds", 4, "--connections", 4000))
        during = load.rate(begin, len(load.lines) - 1)
        print(f"  {before:.0f} spans/s before, {during:.0f} beside {report['established']} hoarders", flush=True)
        assert report["established"] > 2000 and d.counter("tcp_reassembly_evicted_total") > 0, report
        assert during >= before / 2
        load.finish()
        d.settle()


def each_attack():
    for kind in KINDS:
        why_not = forbidden(kind)
        if why_not:
            print(f"skipped: {why_not}")
        else:
            print(f"  over {kind}:")
            honest_clients_go_on(kind)


netns.try_namespaces()
run_story(each_attack, hoarders_beside_losses)
