"""How much volumes may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podling.kubelet.limits import exceeded, memory_for_volumes, size_of
from tests.kubelet.pods import pod

NODE = 8 << 30
LIMITED = {"limits": {"memory": "64Mi"}}


def containers(*resources: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": f"c{number}", "resources": each} for number, each in enumerate(resources)]


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        ({"containers": containers({})}, NODE),
        ({"containers": containers(LIMITED, {})}, NODE),
        ({"containers": containers(LIMITED, LIMITED)}, 128 << 20),
        ({"containers": containers(LIMITED), "initContainers": containers({})}, NODE),
        ({"containers": containers({}), "resources": LIMITED}, 64 << 20),
        ({"containers": containers({"limits": {"memory": "16Gi"}})}, NODE),
    ],
    ids=["no limit", "one without", "the sum", "an init container without", "of the whole Pod", "more than there is"],
)
def test_a_volume_in_memory_takes_no_more_than_the_pod_may(spec: dict[str, Any], most: int) -> None:
    assert memory_for_volumes(pod(spec), NODE) == most


def test_only_a_volume_with_a_limit_on_disk_is_measured(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 200_000)
    sources = {
        "a": {},
        "b": {"sizeLimit": "1Gi"},
        "c": {"medium": "Memory", "sizeLimit": "1Ki"},
        "d": {"sizeLimit": "0"},
    }
    volumes = [{"name": name, "emptyDir": source} for name, source in sources.items()]
    assert exceeded(pod({"volumes": volumes}), dict.fromkeys(sources, tmp_path)) is None
    volumes.append({"name": "e", "emptyDir": {"sizeLimit": "100Ki"}})
    failure = exceeded(pod({"volumes": volumes}), dict.fromkeys([*sources, "e"], tmp_path))
    assert failure is not None
    assert failure.message == 'Usage of EmptyDir volume "e" exceeds the limit "100Ki". '


def test_what_is_empty_inside_a_file_counts_for_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert size_of(tmp_path) < 1 << 20
