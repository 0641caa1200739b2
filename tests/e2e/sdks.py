# SPDX-License-Identifier: Apache-2.0
"""The SDKs as programs that send some traces and say which had errors; None where a language is not installed."""
import contextlib
import json
import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
MISSING = 77


def python(endpoint, protocol, compression="none", place=None):
    return run([os.path.join(HERE, "python"), os.path.join(HERE, "sdk_client.py")], endpoint, protocol, compression, place)


def node(endpoint, protocol, compression="none", place=None):
    if not shutil.which("node") or not os.path.isdir(os.path.join(HERE, "node/node_modules")):
        return None
    return run(["node", os.path.join(HERE, "node/client.mjs")], endpoint, protocol, compression, place)


def run(program, endpoint, protocol, compression, place):
    with place or contextlib.nullcontext():
        done = subprocess.run([*program, endpoint, protocol, compression], capture_output=True, text=True, timeout=60)
    if done.returncode == MISSING:
        return None
    assert done.returncode == 0, (protocol, compression, done.stdout, done.stderr)
    return json.loads(done.stdout.splitlines()[-1])
