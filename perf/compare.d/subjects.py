# SPDX-License-Identifier: Apache-2.0
"""What is measured: how each is started, and what it says of itself."""
import json
import os
import socket
import subprocess
import urllib.request

from process import Failed, wait_for

DECISION_WAIT_S = 10
COLLECTOR_TRACES = 500000  # num_traces: more than it is sent within decision_wait
TRIAL_JOURNAL = 4 << 30  # some seconds at any rate that one CPU takes
HERE = os.path.dirname(os.path.abspath(__file__))


def fill(template, values):
    with open(os.path.join(HERE, template)) as source:
        text = source.read()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def policies(name, indent):
    """The list of policies in NAME.yaml, so far to the right."""
    with open(os.path.join(HERE, name + ".yaml")) as source:
        lines = source.read().partition("\npolicies:\n")[2].rstrip("\n").split("\n")
    return "\n".join(" " * (indent - 2) + line for line in lines)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Subject:
    """A row. `sampled`: it samples; None: nothing comes out of it. `streams`: connections, and requests in flight on
    each."""
    sampled, streams = True, (4, 16)

    def __init__(self, name):
        self.name = name

    def to(self):
        return f"127.0.0.1:{self.port}"

    def start(self, group, cpu, folder, sink):
        """Start it and wait until it takes connections."""
        self.folder, self.port = folder, free_port()
        self.process = group.start(self.command(folder, cpu, sink), cpu, os.path.join(folder, self.name + ".log"),
                                   environment=dict(os.environ, **self.environment(sink)))
        wait_for(self.is_ready, f"{self.name} to be ready", 120)

    def environment(self, sink):
        return {}

    def generator_options(self):
        return []

    def is_ready(self):
        self.process.alive_or_fail()
        return is_listening(self.port)

    def mark(self):
        """What it says of itself now; asked at both ends of the measured time."""
        return {}

    def is_settled(self):
        """Has it decided and sent all it has? Beyond this, the receiver's count must stand still."""
        return True

    def clean(self):
        """Remove what it left, after it was stopped."""

    def faults(self, begin, end, last, accepted):
        """Why its numbers would not count, by its own metrics."""
        return []


class Collector(Subject):
    """`memory()`: bytes that its heap may grow to; without it Go's defaults, by which the heap doubles."""

    def __init__(self, name, binary, pipeline, memory=None, policies="three"):
        super().__init__(name)
        self.binary, self.memory, self.limit, self.policies = binary, memory, None, policies
        self.pipeline = "{receivers: [otlp], exporters: [nop]}"
        self.sampled = None
        if pipeline == "tail":
            self.pipeline = "{receivers: [otlp], processors: [tail_sampling, attributes], exporters: [otlp_grpc]}"
            self.sampled = True

    def command(self, folder, cpu, sink):
        if self.memory:
            self.limit = self.memory()
            if not self.limit:
                raise Failed("tailrace_kernel has no memory to be equal to")
        path = os.path.join(folder, self.name + ".yaml")
        with open(path, "w") as out:
            out.write(fill("collector.yaml", {"PORT": self.port, "WAIT": DECISION_WAIT_S, "TRACES": COLLECTOR_TRACES,
                                              "SINK": sink, "PIPELINE": self.pipeline,
                                              "POLICIES": policies(self.policies, 6)}))
        return [self.binary, "--config", path]

    def environment(self, sink):
        # One CPU is all it has. With a bound it collects garbage only when it gets there.
        bound = {"GOMEMLIMIT": str(self.limit), "GOGC": "off"} if self.limit else {}
        return {"GOMAXPROCS": "1", **bound}


class Rotel(Subject):
    """It does not sample: what comes in goes out, always compressed, whatever it is told; without `output` it is decoded
    and forgotten. It leaves Nagle's algorithm on, so that an answer may wait for the client's delayed acknowledgement: it
    takes many requests in flight to keep it busy."""
    streams = 4, 64

    def __init__(self, name, binary, output):
        super().__init__(name)
        self.binary, self.output, self.sampled = binary, output, False if output else None

    def command(self, folder, cpu, sink):
        return [self.binary, "start", "--pid-file", os.path.join(folder, "rotel.pid")]

    def environment(self, sink):
        output = {"ROTEL_EXPORTER": "otlp", "ROTEL_OTLP_EXPORTER_ENDPOINT": f"http://127.0.0.1:{sink}",
                  "ROTEL_OTLP_EXPORTER_COMPRESSION": "none"}
        return {"ROTEL_OTLP_GRPC_ENDPOINT": f"127.0.0.1:{self.port}",
                "ROTEL_OTLP_HTTP_ENDPOINT": f"127.0.0.1:{free_port()}", "ROTEL_OTLP_GRPC_MAX_RECV_MSG_SIZE_MIB": "16",
                **(output if self.output else {"ROTEL_EXPORTER": "blackhole", "ROTEL_DISABLE_BATCHING": "true"})}


class Tailrace(Subject):
    """`journal`: bytes. With `memif` frames come over shared memory in place of sockets. Many requests in flight, so that
    it never waits for the generator: of its turns 95 % must find work."""
    streams = 4, 32
    HOST, PEER = "198.18.0.2", "198.18.0.3"

    def __init__(self, name, programs, rings, memif=False, mtu=4000, policies="three"):
        super().__init__(name)
        self.policies = policies
        self.programs, self.rings, self.memif, self.mtu, self.journal = programs, rings, memif, mtu, TRIAL_JOURNAL
        if memif:
            self.streams = 32, 16

    def clean(self):
        """Rings outlive the daemon, and are memory."""
        for name in os.listdir(self.rings):
            os.unlink(os.path.join(self.rings, name))

    def device(self, role):
        """Rings of 2,048 buffers, each of which holds a frame."""
        size = 2048 if self.mtu <= 1500 else 10240
        return f"net_memif0,role={role},socket={self.folder}/memif.sock,socket-abstract=no,id=0,rsize=11,bsize={size}"

    def generator_options(self):
        if not self.memif:
            return []
        return ["--device", self.device("client"), "--address", f"{self.PEER}/24", "--mtu", str(self.mtu)]

    def to(self):
        return f"{self.HOST}:4317" if self.memif else super().to()

    def command(self, folder, cpu, sink):
        self.telemetry = free_port()
        listen = f'{{name: local, kind: kernel, listen: ["127.0.0.1:{self.port}"]}}'
        if self.memif:
            listen = (f'{{name: memif0, kind: dpdk, device: "{self.device("server")}", '
                      f'addresses: ["{self.HOST}/24"], listen: [4317], mtu: {self.mtu}}}')
        path = os.path.join(folder, self.name + ".yaml")
        with open(path, "w") as out:
            out.write(fill("tailrace.yaml", {"FOLDER": folder, "TELEMETRY": self.telemetry, "CPU": cpu, "RINGS": self.rings,
                                             "JOURNAL": self.journal, "INPUT": listen, "WAIT": DECISION_WAIT_S,
                                             "SINK": sink, "POLICIES": policies(self.policies, 4)}))
        return [self.programs["tailraced"], "-c", path]

    def is_ready(self):
        self.process.alive_or_fail()
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.telemetry}/readyz", timeout=2).status == 200
        except OSError:
            return False

    def mark(self):
        """Its metrics, by name; there is one lcore, so that the rows of a name add up over what the labels tell apart."""
        found = {}
        with urllib.request.urlopen(f"http://127.0.0.1:{self.telemetry}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line and line[0] != "#":
                    name, value = line.rsplit(" ", 1)
                    name = name.partition("{")[0]
                    found[name] = found.get(name, 0) + float(value)
        return found

    def audit(self):
        done = subprocess.run([self.programs["tailctl"], "-s", os.path.join(self.folder, "control.sock"), "--json", "audit"],
                              capture_output=True, text=True, timeout=30)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Failed(f"tailctl audit: {done.stderr.strip()}") from None

    def is_settled(self):
        return self.audit()["settled"]

    def faults(self, begin, end, last, accepted):
        return self.faults_of_metrics(begin, end, last) + self.faults_of_audit(self.audit(), accepted)

    @staticmethod
    def faults_of_metrics(begin, end, last):
        """begin, end: of the measured time; last: after all was decided."""
        faults = []
        turns = end["tailrace_lcore_turns_total"] - begin["tailrace_lcore_turns_total"]
        busy = end["tailrace_lcore_turns_busy_total"] - begin["tailrace_lcore_turns_busy_total"]
        wraps = end["tailrace_journal_bytes_committed_total"] / end["tailrace_journal_bytes"]
        shortest = last["tailrace_lcore_horizon_shortest_seconds"]
        if not turns or busy < 0.95 * turns:
            faults.append(f"the lcore was busy in {100 * busy / max(turns, 1):.1f} % of its turns: the generator is too "
                          "slow")
        if wraps < 2:
            faults.append(f"the journal wrapped {wraps:.2f} times, not twice")
        if shortest < DECISION_WAIT_S:
            faults.append(f"the shortest horizon was {shortest:.2f} s, less than decision_wait")
        return faults

    @staticmethod
    def faults_of_audit(audit, accepted):
        faults = []
        for what, said in (("evicted_spans", "evicted undecided"), ("decided_early_spans", "decided early"),
                           ("rejected_spans", "rejected")):
            count = sum(audit[what].values())
            if count:
                faults.append(f"{count} spans were {said}")
        if not audit["balanced"]:
            faults.append("the audit does not add up")
        if audit["accepted_spans"] != accepted:
            faults.append(f"it accepted {audit['accepted_spans']} spans, the generator counted {accepted}")
        return faults
