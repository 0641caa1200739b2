# SPDX-License-Identifier: Apache-2.0
"""memif: the other end comes, leaves in order, is killed in the middle of its traffic and comes back; so does the daemon.
Neither takes the other along. The kernel port beside goes on."""
import os
import signal
import subprocess

from harness import DIES_WITH_US, Daemon, run_story, tailgen, wait_for

PEER = os.environ.get("MEMIF_PEER", "build/tests/e2e/memif-peer")
ADDRESS = "198.18.0.2"


class MemifDaemon(Daemon):
    def __init__(self, **options):
        super().__init__(ports=None, **options)

    def write_config(self, **options):
        self.socket = os.path.join(self.folder, "memif.sock")
        ports = f'- {{name: local, kind: kernel, listen: ["127.0.0.1:{self.port}"]}}\n' \
                f'  - {{name: shm, kind: dpdk, device: "net_memif0,role=server,id=0,socket={self.socket}", ' \
                f'addresses: ["{ADDRESS}/24"], {self.options.get("port_options", "")} listen: [4317]}}'
        return super().write_config(**options | {"ports": ports})

    def peer(self, seconds):
        return subprocess.Popen([*DIES_WITH_US, PEER, self.socket, ADDRESS, str(seconds)], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)

    def link(self):
        return next(p for p in self.tailctl("ports")["ports"] if p["name"] == "shm")["link"]


def answered(peer):
    assert peer.stdout.readline() == "answered\n"


def a_peer_comes_and_leaves_in_order():
    with MemifDaemon(extra="dpdk: {hugepages: never}") as d:
        for _ in range(3):
            peer = d.peer(2)
            answered(peer)
            wait_for(d.link, "the link")
            out, _ = peer.communicate(timeout=20)
            assert peer.returncode == 0 and int(out.split()[1]) > 100, out
            wait_for(lambda: not d.link(), "the link to go")


def a_peer_is_killed_and_comes_back(lcores):
    with MemifDaemon(lcores=lcores, extra="dpdk: {hugepages: never}") as d:
        for i in range(10):
            peer = d.peer(60)
            answered(peer)
            if i % 2:
                wait_for(d.link, "the link")
            peer.send_signal(signal.SIGKILL)
            peer.wait()
            assert d.process.poll() is None, d.read_log()
            wait_for(lambda: not d.link(), "the link to go")
        report = tailgen("--to", f"127.0.0.1:{d.port}", "--spans", 2000, "--batch", 50)
        assert report["spans_failed"] == 0
        d.settle()


def on_one_lcore():
    a_peer_is_killed_and_comes_back(1)


def on_four_lcores():
    a_peer_is_killed_and_comes_back(4)


def the_daemon_is_killed_and_the_peer_finds_the_next_one():
    with MemifDaemon(extra="dpdk: {hugepages: never}") as d:
        peer = d.peer(90)
        answered(peer)
        for sig in (signal.SIGKILL, signal.SIGTERM):
            d.stop(sig)
            d.start()
            answered(peer)
        peer.kill()
        peer.wait()


def large_frames_come_whole_and_in_pieces():
    for options in "mtu: 9000,", "mtu: 9000, mbuf_size: 2048,":
        with MemifDaemon(port_options=options, policies="\n    - {name: all, type: always_sample}") as d:
            report = tailgen("--to", f"{ADDRESS}:4317", "--address", "198.18.0.100/24", "--device",
                             f"net_memif1,role=client,id=0,socket={d.socket}", "--connections", 8, "--spans", 50000, "--mtu", 9000)
            assert report["spans_failed"] == 0, report
            assert d.settle()["accepted_spans"] == report["spans_acknowledged"]
            stats = {(s["name"], s["labels"].get("reason"), s["labels"].get("direction")): s["value"]
                     for s in d.tailctl("stats")["stats"] if s["labels"].get("port") == "shm"}
            assert not any(v for (name, *_), v in stats.items() if name == "tailrace_net_drops_total"), stats
            frames, bytes_ = (stats[f"tailrace_net_{what}_total", None, "in"] for what in ("frames", "bytes"))
            assert bytes_ / frames > 4000, (bytes_, frames)


run_story(large_frames_come_whole_and_in_pieces, a_peer_comes_and_leaves_in_order, on_one_lcore, on_four_lcores,
          the_daemon_is_killed_and_the_peer_finds_the_next_one)
