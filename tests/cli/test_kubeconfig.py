"""The user's kubeconfig: our context comes and goes, all else stays."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.e2e.harness import Cluster

pytestmark = pytest.mark.real


def test_other_contexts_of_the_kubeconfig_stay(made: Cluster, tmp_path: Path) -> None:
    other = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "work", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me"}}],
        "current-context": "work",
    }
    real = tmp_path / "dotfiles" / "config"
    real.parent.mkdir()
    real.write_text(yaml.safe_dump(other))
    Path(made.env["KUBECONFIG"]).symlink_to(real)
    made.start()
    merged = yaml.safe_load(real.read_text())
    assert [each["name"] for each in merged["contexts"]] == ["work", made.name]
    assert merged["current-context"] == made.name
    assert real.stat().st_mode & 0o777 == 0o600
    made.delete()
    assert Path(made.env["KUBECONFIG"]).is_symlink()
    left = yaml.safe_load(real.read_text())
    for section in ("clusters", "users", "contexts"):
        assert left[section] == other[section]
    assert left["current-context"] == "work"


def test_a_list_in_kubeconfig_is_written_to_its_first_file_and_cleaned_in_all(made: Cluster, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    made.env["KUBECONFIG"] = f":{first}:{second}"
    made.start()
    assert first.exists()
    assert not second.exists()
    made.kubectl("get", "nodes").ok()
    first.rename(second)
    made.delete()
    assert not first.exists()
    assert not second.exists()
