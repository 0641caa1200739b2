# SPDX-License-Identifier: Apache-2.0
"""A port of DPDK's, on devices that every kernel has: served over IPv4 and IPv6, on one lcore and on more lcores than the
device has queues, with hugepages and without; beside other ports; through a link that goes and comes; until SIGTERM.
"""
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import netns
import otlp
from harness import TAILRACED, Daemon, run_story, skip, tailgen, wait_for
from wires import CLIENT, CLIENT6, KEEP_ALL, SERVER, SERVER6, Wire, forbidden

KINDS = [kind for kind in ("tap", "af_packet", "af_xdp") if not forbidden(kind)]


def post(wire, v6=False, spans=3, connection=None):
    """Send spans over HTTP/1.1; the connection is left open and returned."""
    with wire.client:
        if connection is None:
            connection = http.client.HTTPConnection(SERVER6 if v6 else SERVER, 4318, timeout=20)
        connection.request("POST", "/v1/traces", otlp.request([otlp.span(os.urandom(16), os.urandom(8))
                                                               for _ in range(spans)]),
                           {"Content-Type": "application/x-protobuf"})
    answer = connection.getresponse()
    assert answer.status == 200, (answer.status, answer.read())
    answer.read()
    return connection


def port_of(d, name="wire"):
    return next(p for p in d.tailctl("ports")["ports"] if p["name"] == name)


def served(kind, lcores, hugepages):
    with Wire(kind) as wire, wire.daemon(policies=KEEP_ALL, lcores=lcores, extra=f"dpdk: {{hugepages: {hugepages}}}") as d:
        sent = 0
        for v6 in (False, True):
            for _ in range(8):  # a connection each, so that all lcores get some
                post(wire, v6).close()
                sent += 3
            report = tailgen("--to", wire.to(v6), "--connections", 16, "--batch", 20, "--spans", 4000, place=wire.client)
            assert report["spans_failed"] == 0, report
            sent += report["spans_acknowledged"]
        assert d.settle()["accepted_spans"] == sent
        row = port_of(d)
        assert row["driver"] == f"net_{kind}" and row["link"] and row["kind"] == "dpdk", row
        assert row["flows"] == ("one lcore" if lcores == 1 else "handed"), row
        assert hugepages != "never" or row["memory"] == "no hugepages", row
        stats = {(s["name"], s["labels"].get("lcore")): s["value"] for s in d.tailctl("stats", "connections_opened")["stats"]
                 if s["labels"]["port"] == "wire"}
        assert len(stats) == lcores and min(stats.values()) > 0, stats
        wait_for(lambda: d.tailctl("connections")["total"] == 0, "the connections to be gone")


def it_serves_on_one_lcore_without_hugepages():
    for kind in KINDS:
        served(kind, 1, "never")


def it_serves_on_more_lcores_than_queues():
    for kind in KINDS:
        served(kind, 4, "auto")


def a_connection_is_shown_with_its_tcp():
    with Wire(KINDS[0]) as wire, wire.daemon() as d:
        connection = post(wire)
        (row,) = d.tailctl("connections")["connections"]
        assert row["port"] == "wire" and row["protocol"] == "http/1.1" and row["requests"] == 1, row
        assert row["peer"].startswith(CLIENT) and row["local"] == f"{SERVER}:4318", row
        assert row["tcp"]["state"] == "established" and row["tcp"]["mss_bytes"] > 1000, row
        connection.close()
        wait_for(lambda: d.tailctl("connections")["total"] == 0, "the connection to be gone")


def telemetry(pid, command):
    """A question to DPDK's own socket."""
    folder = "/var/run/dpdk" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "/tmp") + "/dpdk"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(10)
        s.connect(f"{folder}/tailrace-{pid}/dpdk_telemetry.v2")
        s.recv(16384)
        s.send(command.encode())
        return json.loads(s.recv(16384))[command]


def the_telemetry_socket_of_dpdk_answers_for_us():
    with Wire(KINDS[0]) as wire, wire.daemon() as d:
        connection = post(wire)
        assert telemetry(d.process.pid, "/tailrace/status")["state"] == "running"
        row = telemetry(d.process.pid, "/tailrace/ports")["ports"]["wire"]
        assert row["name"] == "wire" and row["statistics"]["rx_packets"] > 3, row
        answer = telemetry(d.process.pid, "/tailrace/connections")
        (row,) = answer["connections"].values()
        assert answer["total"] == 1 and row["tcp"]["state"] == "established", answer
        connection.close()
        folder = f"/var/run/dpdk/tailrace-{d.process.pid}"
        assert d.stop() == 0
        assert not os.path.exists(folder)


def a_client_is_told_to_go_by_sigterm():
    with Wire(KINDS[0]) as wire, wire.daemon(policies=KEEP_ALL, wait="60s") as d:
        idle, busy = post(wire), post(wire)
        d.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "daemon.draining" in d.read_log(), "the drain to begin")
        for connection in idle, busy:
            assert connection.sock.recv(1) == b"", "an end in order, no reset"
        with wire.client, contextlib.suppress(OSError):
            socket.create_connection((SERVER, 4318), timeout=2).close()
            raise AssertionError("a draining port took a connection")
        assert d.process.wait(30) == 0
        assert "evicted_spans=0" in d.read_log()


def two_devices_and_the_kernel_at_once():
    with Wire("af_packet") as one:
        tap = f"tt{os.getpid()}"
        ports = one.port() + f'\n  - {{name: second, kind: dpdk, device: "net_tap1,iface={tap}", ' \
                             f'addresses: ["198.18.9.2/24"], listen: [4318]}}\n' \
                             f'  - {{name: local, kind: kernel, listen: ["127.0.0.1:4318"]}}'
        with Daemon(place=one.server, ports=ports, policies=KEEP_ALL, lcores=2) as d:
            netns.bring_up(one.server, tap)
            netns.address(one.server, tap, "198.18.9.1/24")
            reports = [tailgen("--to", to, "--protocol", "http", "--connections", 4, "--spans", 3000, place=place)
                       for to, place in ((one.to(port=4318), one.client), ("198.18.9.2:4318", one.server),
                                         ("127.0.0.1:4318", one.server))]
            assert all(r["spans_failed"] == 0 for r in reports), reports
            assert d.settle()["accepted_spans"] == sum(r["spans_acknowledged"] for r in reports)
            opened = {}
            for s in d.tailctl("stats", "connections_opened")["stats"]:
                opened[s["labels"]["port"]] = opened.get(s["labels"]["port"], 0) + s["value"]
            assert opened == {"wire": 4, "second": 4, "kernel": 4}, opened
            wait_for(lambda: not any(p["connections"] for p in d.tailctl("ports")["ports"]), "the connections to be gone")


def a_link_that_goes_and_comes_loses_no_connection():
    for kind in KINDS[1:]:  # of a tap the kernel's end is ours
        with Wire(kind) as wire, wire.daemon() as d:
            def link():
                return port_of(d)["link"]

            connection = post(wire)
            wait_for(link, "the first look at the link")
            # Pulled out, and taken down.
            for i, (namespace, name) in enumerate(((wire.client, wire.client_name), (wire.server, wire.server_name))):
                namespace.ip(f"link set {name} down")
                wait_for(lambda: not link(), "the link to go")
                if namespace is wire.server:
                    ticks, began = cpu_ticks(d.process.pid), time.monotonic()
                    wait_for(lambda: time.monotonic() - began > 1, "a second")
                    assert (cpu_ticks(d.process.pid) - ticks) / os.sysconf("SC_CLK_TCK") < 0.2, "it spins without a link"
                namespace.ip(f"link set {name} up")
                wait_for(lambda: d.tailctl("stats", "port_links")["stats"][0]["value"] == i + 2, "the link to come")
                if namespace is wire.client:
                    wire.client.ip(f"-6 addr replace {CLIENT6}/64 dev {name} nodad")  # goes with the link
                post(wire, connection=connection)
                post(wire, v6=True).close()
            connection.close()


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def an_idle_port_sleeps():
    for kind in KINDS:
        with Wire(kind) as wire, wire.daemon(lcores=2) as d:
            post(wire).close()
            wait_for(lambda: d.tailctl("connections")["total"] == 0, "the connection to be gone")
            before, began = cpu_ticks(d.process.pid), time.monotonic()
            wait_for(lambda: time.monotonic() - began > 3, "three seconds")
            share = (cpu_ticks(d.process.pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)
            print(f"  {kind}: {100 * share:.1f} % of a core")
            assert share < 0.05, share


def without_a_dpdk_port_there_is_no_eal():
    with Daemon() as d:
        with open(f"/proc/{d.process.pid}/maps") as f:
            assert "librte_net_" not in f.read()
        names = [open(f"/proc/{d.process.pid}/task/{t}/comm").read().strip()
                 for t in os.listdir(f"/proc/{d.process.pid}/task")]
        assert not any(n.startswith("eal-") or n.startswith("telemetry") for n in names), names


def mistakes_are_named():
    good = {"name": "wire", "kind": "dpdk", "device": "net_tap0", "addresses": ["198.18.0.2/24"], "listen": [4317]}
    for change, says in (
            ({"listen": [70000]}, "ports[0].listen[0]: 70000 is above 65535"),
            ({"listen": ["127.0.0.1:4317"]}, 'ports[0].listen[0]: "127.0.0.1:4317" is not a port number'),
            ({"addresses": ["198.18.0.2"]}, "ports[0].addresses[0]: 198.18.0.2 is no address with a prefix length"),
            ({"addresses": None}, "ports[0].addresses: at least one address"),
            ({"device": None}, "ports[0].device: a dpdk port needs one"),
            ({"gateways": ["10.0.0.1"]}, "ports[0].gateways[0]: 10.0.0.1 is on no network of `addresses`"),
            ({"mtu": 100}, "ports[0].mtu: 100 is below 1280"),
            ({"tcp": {"window": "3MiB"}}, "ports[0].tcp.window: 3145728 is not a power of two"),
            ({"kind": "kernel"}, "ports[0].device: only a port of kind dpdk has one"),
            ({"kind": "kernel", "device": None, "addresses": None}, "ports[0].listen[0]: 4317 is not ADDRESS:PORT")):
        port = {k: v for k, v in (good | change).items() if v is not None}
        d = Daemon(ports="- " + json.dumps(port))
        done = subprocess.run([TAILRACED, "-c", d.config, "--check"], capture_output=True, text=True)
        assert done.returncode == 1 and says in done.stderr and ": line " in done.stderr, (says, done.stderr)
        d.stop()
    d = Daemon(ports="- " + json.dumps(good) + "\n  - " + json.dumps(good | {"name": "other"}))
    done = subprocess.run([TAILRACED, "-c", d.config, "--check"], capture_output=True, text=True)
    assert "ports[1].device: net_tap0 is the device of ports[0] too" in done.stderr, done.stderr


STORIES = [mistakes_are_named, without_a_dpdk_port_there_is_no_eal, it_serves_on_one_lcore_without_hugepages,
           it_serves_on_more_lcores_than_queues, a_connection_is_shown_with_its_tcp,
           the_telemetry_socket_of_dpdk_answers_for_us, a_client_is_told_to_go_by_sigterm,
           two_devices_and_the_kernel_at_once, a_link_that_goes_and_comes_loses_no_connection, an_idle_port_sleeps]
netns.try_namespaces()
if KINDS != ["tap", "af_packet", "af_xdp"]:
    print("of tap, af_packet and af_xdp there are:", KINDS)
if not {"tap", "af_packet"} <= set(KINDS):
    skip("the kernel has neither taps nor packet sockets for us")
run_story(*(s for s in STORIES if s.__name__ in sys.argv[1:] or len(sys.argv) == 1))
