# SPDX-License-Identifier: Apache-2.0
"""The Node SDK, gRPC, http/protobuf and http/json, gzip on and off."""
import json
import os
import shutil
import subprocess

from harness import Daemon, run_story, skip
from sink import Sink

HERE = os.path.dirname(os.path.abspath(__file__))
if not shutil.which("node") or not os.path.isdir(os.path.join(HERE, "node/node_modules")):
    skip("no Node or no packages: run tools/check e2e, which installs them")


def the_sdk_delivers():
    policies = "\n    - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}"
    with Sink() as sink, Daemon(wait="1s", policies=policies, lcores=2, rules="[]",
                                backends=f"[{{name: sink, kind: otlp_http, endpoint: '{sink.endpoint}'}}]") as d:
        want, spans = set(), 0
        for protocol in ("grpc", "http", "json"):
            for compression in ("none", "gzip"):
                done = subprocess.run(["node", os.path.join(HERE, "node/client.mjs"), f"http://127.0.0.1:{d.port}",
                                       protocol, compression], capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, done.stderr
                report = json.loads(done.stdout)
                want |= set(report["errors"])
                spans += report["spans"]
        audit = d.settle()
        assert audit["accepted_spans"] == spans, (audit, spans)
        assert sink.traces().keys() == want


run_story(the_sdk_delivers)
