# SPDX-License-Identifier: Apache-2.0
"""A device whose arguments ask for several receive queues: all of them are received from, or the daemon refuses."""
import netns
from harness import run_story, skip, tailgen
from wires import PORTS, SERVER, SERVER6, Wire, forbidden


def port(wire, queues):
    return f'- {{name: wire, kind: dpdk, device: "net_af_packet0,iface={wire.server_name},qpairs={queues}", ' \
           f'addresses: ["{SERVER}/24", "{SERVER6}/64"], listen: {list(PORTS)}}}'


def every_queue_is_received_from():
    with Wire("af_packet") as wire, wire.daemon(lcores=2) as d:
        d.stop()
        d.write_config(ports=port(wire, 2))
        d.start()
        report = tailgen("--to", wire.to(), "--connections", 64, "--rate", 20000, "--spans", 40000, place=wire.client)
        assert report["spans_failed"] == 0, report
        [row] = d.tailctl("ports")["ports"]
        assert row["rx_queues"] == 2 and row["flows"] == "handed", row
        # The kernel spreads 64 connections over both.
        busy = [q["rx_packets"] for q in row["queues"]]
        assert len(busy) == 2 and min(busy) > 100, busy
        audit = d.settle()
        assert audit["accepted_spans"] == report["spans_acknowledged"], (report, audit)


def more_queues_than_lcores_are_refused():
    with Wire("af_packet") as wire, wire.daemon() as d:
        d.stop()
        d.write_config(ports=port(wire, 2))
        try:
            d.start()
        except AssertionError as e:
            assert "ports[0].device: net_af_packet0 has 2 queues by its arguments, more than the 1 lcores" in str(e), e
            # so that the end of the story finds it running
            d.write_config(ports=port(wire, 1))
            d.start()
        else:
            raise AssertionError("not refused")


if __name__ == "__main__":
    netns.try_namespaces()
    if forbidden("af_packet"):
        skip(forbidden("af_packet"))
    run_story(every_queue_is_received_from, more_queues_than_lcores_are_refused)
