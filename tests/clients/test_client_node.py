"""@kubernetes/client-node, the JavaScript client: a program of ours on it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients import built

pytestmark = pytest.mark.skipif(not built.EVERYTHING, reason="npm packages are fetched by `make clients`")
SOURCE = Path(__file__).with_name("node")
FIRST_FOR_2 = 22
"""The release of Node.js that client-node 2 asks for; older ones get its release 1."""


def test_every_step_of_a_program_on_client_node_works(kubeconfig: Path, namespace: str) -> None:
    version = "@2" if built.node_version() >= FIRST_FOR_2 else "@1"
    node, folder = built.node_module(SOURCE, f"@kubernetes/client-node{version}")
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "NAMESPACE": namespace}
    done = subprocess.run([node, folder / "client.mjs"], env=env, capture_output=True, text=True, timeout=120)
    assert re.findall(r"^failed.*", done.stdout, re.MULTILINE) == [], done.stdout
    assert len(re.findall(r"^ok ", done.stdout, re.MULTILINE)) == 9, done.stdout + done.stderr
