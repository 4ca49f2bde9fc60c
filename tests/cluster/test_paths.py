"""Names on the machine that belong to one cluster only."""

from __future__ import annotations

from pathlib import Path

from podling.cluster.paths import USUAL_ROOT, ClusterPaths


def test_clusters_of_one_name_in_two_state_folders_share_no_control_group(tmp_path: Path) -> None:
    groups = {ClusterPaths(root, "podling").group for root in (USUAL_ROOT, tmp_path / "a", tmp_path / "b")}
    assert len(groups) == 3
    assert ClusterPaths(USUAL_ROOT, "podling").group == "podling"


def test_a_state_folder_by_another_way_is_the_same_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert ClusterPaths(tmp_path / "link", "x").group == ClusterPaths(tmp_path / "real", "x").group
