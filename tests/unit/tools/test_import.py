# SPDX-License-Identifier: Apache-2.0
"""`tailctl config import`: what comes of each config in import/, and that the daemon takes it.

Beside NAME.yaml lie NAME.tailrace.yaml and NAME.left.txt: what goes to stdout and to stderr. WRITE=1 writes them anew.
"""
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest

TAILCTL, TAILRACED = os.path.abspath(os.environ["TAILCTL"]), os.path.abspath(os.environ["TAILRACED"])
FOLDER = pathlib.Path(__file__).parent / "import"
INPUTS = sorted(p for p in FOLDER.glob("*.yaml") if not p.name.endswith(".tailrace.yaml"))
ENVIRONMENT = {"PATH": os.environ["PATH"], "MY_POD_IP": "10.1.2.3", "B_TOKEN": "secret-b", "VENDOR_TOKEN": "secret-v",
               "C_PASSWORD": "secret-c"}
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_PRELOAD"):
    if name in os.environ:
        ENVIRONMENT[name] = os.environ[name]


def run(name, *arguments, text=None):
    return subprocess.run([TAILCTL, "config", "import", name, *arguments], cwd=FOLDER, env=ENVIRONMENT, input=text,
                          capture_output=True, text=True, timeout=60)


def check(text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # Not what the machine has room for.
        file.write(text + "\nlcores: {count: 1}\njournal: {size: 4MiB, outbox_size: 4MiB, path: /tmp}\n")
        file.flush()
        return subprocess.run([TAILRACED, "-c", file.name, "--check"], capture_output=True, text=True, timeout=60)


class Import(unittest.TestCase):
    def test_each_config_comes_out_as_it_is_written_beside_it(self):
        self.assertGreaterEqual(len(INPUTS), 4)
        for path in INPUTS:
            with self.subTest(path.name):
                done = run(path.name)
                self.assertEqual(done.returncode, 0, done.stderr)
                for text, suffix in ((done.stdout, ".tailrace.yaml"), (done.stderr, ".left.txt")):
                    beside = path.with_suffix(suffix)
                    if os.environ.get("WRITE"):
                        beside.write_text(text)
                    self.assertEqual(text, beside.read_text(), beside.name)

    def test_the_daemon_takes_what_comes_out(self):
        for path in INPUTS:
            with self.subTest(path.name):
                done = check(run(path.name).stdout)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_no_secret_of_the_environment_lands_in_the_file(self):
        for path in INPUTS:
            done = run(path.name)
            self.assertNotIn("secret-", done.stdout + done.stderr, path.name)

    def test_strict_refuses_what_is_not_carried_over_whole(self):
        self.assertEqual(run("plain.yaml", "--strict").returncode, 0)
        self.assertEqual(run("plain.yaml").stderr, "")
        done = run("gateway.yaml", "--strict")
        self.assertEqual(done.returncode, 1)
        self.assertIn("tail_sampling", done.stdout)

    def test_policies_that_only_drop_don_t_make_a_config_that_keeps_nothing(self):
        text = """
receivers: {otlp: {protocols: {grpc: }}}
processors:
  probabilistic_sampler: {sampling_percentage: 50}
  tail_sampling: {policies: [{name: a, type: of_another_version}]}
exporters: {otlp: {endpoint: "a:4317"}}
service: {pipelines: {traces: {receivers: [otlp], processors: [probabilistic_sampler, tail_sampling], exporters: [otlp]}}}
"""
        done = run("-", text=text)
        self.assertIn("of_another_version", done.stderr)
        self.assertIn("type: always_sample", done.stdout)
        self.assertEqual(check(done.stdout).returncode, 0)
        # Whoever wrote only drop policies, and gets all of them, gets no more than these.
        text = text.replace("{name: a, type: of_another_version}",
                            "{name: d, type: drop, drop: {drop_sub_policy: [{name: e, type: always_sample}]}}")
        self.assertNotIn("tailrace-keeps-all", run("-", text=text.replace("[probabilistic_sampler, ", "[")).stdout)

    def test_the_config_is_found_in_what_kubernetes_takes(self):
        plain = (FOLDER / "gateway.yaml").read_text()
        inside = "".join("    " + line for line in plain.splitlines(keepends=True))
        want = run("-", text=plain)
        for text in ("kind: OpenTelemetryCollector\nspec:\n  mode: deployment\n  config:\n" + inside,
                     "mode: deployment\nconfig:\n" + inside):
            done = run("-", text=text)
            self.assertEqual((done.returncode, done.stdout), (0, want.stdout), text)
            self.assertEqual(len(done.stderr.splitlines()), len(want.stderr.splitlines()))
        done = run("-", text="kind: ConfigMap\ndata:\n  relay: |\n" + inside)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("kind: a Kubernetes object", done.stderr)

    def test_json_is_for_scripts(self):
        done = run("gateway.yaml", "--json")
        answer = json.loads(done.stdout)
        self.assertEqual((done.returncode, answer["config"]), (0, run("gateway.yaml").stdout))
        lines = [f"gateway.yaml{':' + str(left['line']) if left['line'] else ''}: {left['path']}: {left['why']}"
                 for left in answer["left"]]
        self.assertEqual(lines, run("gateway.yaml").stderr.splitlines())
        self.assertEqual(done.stderr, "")
        self.assertEqual(run("gateway.yaml", "--json", "--strict").returncode, 1)
        done = run("-", "--json", text="[1]")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no pipeline of traces", json.loads(done.stdout)["error"])

    def test_what_is_no_config_is_refused(self):
        for text, why in (("a: [", "not YAML"), ("", "no pipeline of traces"), ("[1]", "no pipeline of traces"),
                          ("service: {pipelines: {metrics: {receivers: [otlp], exporters: [otlp]}}}", "no pipeline of traces"),
                          ("a: *b", "no anchor &b"), ("a: &a [*a]", "stands within itself"),
                          ("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                           "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]", "more than 65536 values")):
            done = run("-", text=text)
            self.assertEqual((done.returncode, done.stdout), (1, ""), text)
            self.assertIn(why, done.stderr)
        self.assertEqual(run("not-there.yaml").returncode, 2)

    def test_whatever_is_broken_in_a_config_the_result_is_taken(self):
        draw = random.Random(5)
        for path in INPUTS:
            lines = path.read_text().splitlines()
            for _ in range(40):
                broken = list(lines)
                for _ in range(draw.randrange(1, 4)):
                    at = draw.randrange(len(broken))
                    word = draw.choice(["", "7", "[x]", "{a: b}", "~", "'${env:NOPE}'", "*x", "-1", "99999999999999999999"])
                    if draw.random() < 0.3:
                        del broken[at]
                    elif ":" in broken[at]:
                        broken[at] = broken[at].partition(":")[0] + ": " + word
                done = run("-", text="\n".join(broken))
                self.assertIn(done.returncode, (0, 1), "\n".join(broken) + done.stderr)
                if done.returncode == 0:
                    taken = check(done.stdout)
                    self.assertEqual(taken.returncode, 0, "\n".join(broken) + taken.stderr)
                else:
                    self.assertEqual(done.stdout, "")
                    self.assertTrue(done.stderr)


if __name__ == "__main__":
    unittest.main()
