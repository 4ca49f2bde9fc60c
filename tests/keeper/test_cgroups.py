"""Only groups of our own are ever killed or removed by name, on every layout of hierarchies."""

from __future__ import annotations

from pathlib import Path

import pytest

from podling.keeper import cgroups

HYBRID = """cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""


def discovered(tmp_path: Path, mounts: str) -> cgroups.Hierarchies:
    (tmp_path / "mounts").write_text(mounts)
    return cgroups.discover(str(tmp_path / "mounts"))


@pytest.mark.parametrize(
    "path", ["", "/", "/podling", "/podling/", "/podling/../x", "/other/x", "podling/x", "/podling//x"]
)
def test_nothing_of_others_is_touched(path: str) -> None:
    where = cgroups.Hierarchies({}, "/nowhere", "")
    for act in (cgroups.remove, cgroups.kill, cgroups.members):
        with pytest.raises(ValueError, match="not a group of ours"):
            act(where, path)


def test_a_hybrid_host_has_its_controllers_in_v1(tmp_path: Path) -> None:
    where = discovered(tmp_path, HYBRID)
    assert (where.unified, where.hybrid) == ("", "/sys/fs/cgroup/unified")
    assert where.folder("cpuacct", "/podling/c/n") == "/sys/fs/cgroup/cpu,cpuacct/podling/c/n"
    assert len(list(where.folders("/podling/c/n"))) == 3


def test_a_tree_that_was_mounted_over_is_not_seen(tmp_path: Path) -> None:
    where = discovered(tmp_path, HYBRID + "tmpfs /sys/fs/cgroup/unified tmpfs rw 0 0\n")
    assert where.hybrid == ""


def test_a_v2_host_has_one_tree(tmp_path: Path) -> None:
    where = discovered(tmp_path, "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n")
    assert where.unified == "/sys/fs/cgroup"
    assert where.folder("memory", "/podling/c/n") == "/sys/fs/cgroup/podling/c/n"
