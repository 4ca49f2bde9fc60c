"""`podling doctor`, on this machine and on one that lacks everything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.harness import Cluster, run

pytestmark = pytest.mark.real


def test_doctor_finds_everything_here_and_names_what_is_missing(made: Cluster, tmp_path: Path) -> None:
    assert made.podling("doctor").ok().out.count("✓") >= 5
    bare = tmp_path / "bin"
    bare.mkdir()
    script = (
        "import sys; from podling.cluster import doctor; doctor.SBIN = '';"
        "doctor.ctypes.util.find_library = lambda _: None;"
        "from podling.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = run(sys.executable, "-c", script, "doctor", env=made.env | {"PATH": str(bare)})
    assert done.code == 1
    assert "apt-get install -y crun" in done.out
    assert "apt-get install -y nftables" in done.out
    start = run(sys.executable, "-c", script, "start", "--name", made.name, env=made.env | {"PATH": str(bare)})
    assert start.code == 1
    assert "crun (or runc) starts the containers" in start.err
    assert not made.root.exists()
