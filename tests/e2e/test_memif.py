# SPDX-License-Identifier: Apache-2.0
"""Our own TCP on both ends of shared memory: tailgen with a DPDK device, the daemon with another. (Ends that are killed
in the middle of their traffic: test_dpdk_memif.py.)"""
import json
import os
import re
import signal
import socket
import threading

from harness import Daemon, run_story, tailgen, wait_for
from sink import Sink
from test_exactness import is_kept

SERVER = "198.18.0.1"


def memif_daemon(lcores=1, **options):
    """A daemon whose only port is the server of a memif socket, in its folder."""
    d = Daemon(lcores=lcores, **options)
    d.write_config(ports=f'- {{name: shared, kind: dpdk, addresses: ["{SERVER}/15", "fd00:9::1/64"], listen: [4317], device: '
                         f'"net_memif0,role=server,socket={d.folder}/memif.sock,socket-abstract=no"}}')
    return d


def client(d, *args, to=SERVER, address="198.19.0.0/15"):
    host = f"[{to}]" if ":" in to else to
    return ["--to", f"{host}:4317", "--address", address, "--device",
            f"net_memif1,role=client,socket={d.folder}/memif.sock,socket-abstract=no", *map(str, args)]


def kept_traces_are_the_truth():
    with Sink() as sink, memif_daemon(lcores=2, wait="4s",
                                      backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        truth_file = os.path.join(d.folder, "truth.jsonl")
        report = tailgen(*client(d, "--addresses", 256, "--connections", 300, "--streams", 2, "--rate", 40000,
                                 "--spans", 40000, "--shuffle", "--truth", truth_file))
        audit = d.settle()
        assert report["spans_failed"] == 0, report
        assert audit["accepted_spans"] == report["spans_acknowledged"], (report, audit)
        with open(truth_file) as f:
            truth = {t["id"]: t for t in map(json.loads, f)}
        got = sink.traces()
        assert got.keys() == {i for i, t in truth.items() if is_kept(t)}
        assert all(len(spans) == truth[i]["spans"] for i, spans in got.items())
        wait_for(lambda: not d.tailctl("connections")["connections"], "every connection to be gone")
        # Tries before the link was up are none.
        assert report["connections"] == d.counter("connections_opened_total", port="shared") >= 300, report


def ipv6_http_and_compression():
    with memif_daemon() as d:
        for protocol, compression in (("http", "gzip"), ("grpc", "zstd"), ("json", "none")):
            report = tailgen(*client(d, "--protocol", protocol, "--compression", compression, "--spans", 20000,
                                     to="fd00:9::1", address="fd00:9::2/64"))
            assert report["spans_acknowledged"] == report["spans_sent"] > 0, report
        d.settle()


def a_connection_a_request():
    with memif_daemon() as d:
        before = d.memory()
        report = tailgen(*client(d, "--addresses", 1024, "--connections", 64, "--connection-requests", 1, "--batch", 10,
                                 "--spans", 50000))
        assert report["spans_failed"] == 0 and report["connections"] >= report["requests"], report
        wait_for(lambda: d.counter("connections", port="shared") == 0, "every connection to be gone")
        assert d.counter("connections_opened_total", port="shared") >= report["requests"]
        assert d.memory() - before < 20000, "memory grew"
        d.settle()


def who_connects_and_is_gone_does_no_harm():
    """DPDK's server would leave the closed socket of such a client registered, and its next look at it is a panic."""
    with memif_daemon() as d:
        for _ in range(300):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(f"{d.folder}/memif.sock")
        report = tailgen(*client(d, "--spans", 5000))
        assert report["spans_acknowledged"] == report["spans_sent"], report
        d.settle()


def jumbo_frames():
    with memif_daemon() as d:
        d.stop()
        d.write_config(ports=d.options["ports"].replace("listen:", "mtu: 9000, listen:"))
        d.start()
        report = tailgen(*client(d, "--mtu", 9000, "--spans", 100000, "--streams", 32))
        assert report["spans_acknowledged"] == report["spans_sent"], report
        assert d.counter("tcp_drops_total", reason="paws") == 0
        frames, received = d.counter("net_frames_total", direction="in"), d.counter("net_bytes_total", direction="in")
        assert report["bytes"] <= received < 1.2 * report["bytes"] and received / frames > 2000, (received, frames, report)
        d.settle()


def the_server_comes_back():
    with memif_daemon() as d:
        reports = []
        load = threading.Thread(target=lambda: reports.append(tailgen(*client(d, "--rate", 20000, "--duration", "5s"))))
        load.start()
        base = d.counter("journal_spans_committed_total")
        wait_for(lambda: d.counter("journal_spans_committed_total") > base + 5000, "load")
        d.stop(signal.SIGKILL)
        d.start()
        load.join(60)
        assert reports and reports[0]["spans_acknowledged"] > 20000, reports
        wait_for(lambda: d.counter("journal_spans_committed_total") > 0, "load after the restart")
        d.settle()


def frames_are_written_down():
    with memif_daemon() as d:
        pcap = os.path.join(d.folder, "sent.pcap")
        report = tailgen(*client(d, "--spans", 2000, "--batch", 50, "--pcap", pcap))
        assert report["spans_acknowledged"] == report["spans_sent"], report
        with open(pcap, "rb") as f:
            data = f.read()
        assert data[:4] == bytes.fromhex("4d3cb2a1")
        at, frames, tcp_bytes = 24, 0, 0
        while at < len(data):
            length = int.from_bytes(data[at + 8:at + 12], "little")
            frame = data[at + 16:at + 16 + length]
            at += 16 + length
            frames += 1
            if frame[12:14] == b"\x08\x00":
                tcp_bytes += int.from_bytes(frame[16:18], "big") - 20 - (frame[46] >> 4) * 4
        assert at == len(data) and frames > 10, (at, len(data), frames)
        assert tcp_bytes > report["bytes"], (tcp_bytes, report)


class Example(Daemon):
    """conf/dpdk-memif.yaml with the paths and ports of a story."""

    def write_config(self, **options):
        with open(os.path.join(os.environ.get("TAILRACE_SOURCE", "."), "conf/dpdk-memif.yaml")) as f:
            self.text = f.read().replace("/tmp/tailrace", self.folder).replace("/dev/shm/tailrace-memif", self.rings)
        with open(self.config, "w") as f:
            f.write(self.text.replace("127.0.0.1:9464", f"127.0.0.1:{self.telemetry}"))
        return self.config


def the_example_and_its_command_line():
    with Example() as d:
        [command] = re.findall(r"build/perf/tailgen (.*)", d.text)
        report = tailgen(*command.split(), "--spans", 20000)
        audit = d.settle()
        assert audit["accepted_spans"] == report["spans_acknowledged"] == report["spans_sent"] > 0, (report, audit)


if __name__ == "__main__":
    run_story(kept_traces_are_the_truth, ipv6_http_and_compression, a_connection_a_request,
              who_connects_and_is_gone_does_no_harm, jumbo_frames, the_server_comes_back, frames_are_written_down,
              the_example_and_its_command_line)
