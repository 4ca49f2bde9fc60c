"""How much a Pod may write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podling.kubelet.limits import Usage, exceeded, limited, memory_for_volumes
from podling.kubelet.podstate import Failure
from podling.runtime.disk import size_of
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


STORED = {"limits": {"ephemeral-storage": "100Ki"}}
VOLUMES = [
    {"name": "free", "emptyDir": {}},
    {"name": "zero", "emptyDir": {"sizeLimit": "0"}},
    {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Ki"}},
    {"name": "large", "emptyDir": {"sizeLimit": "1Gi"}},
]
SMALL = {"name": "small", "emptyDir": {"sizeLimit": "100Ki"}}
MUCH = 200 << 10


@pytest.mark.parametrize(
    ("spec", "used", "message"),
    [
        ({"volumes": VOLUMES}, Usage({}, {each["name"]: MUCH for each in VOLUMES}), None),
        ({"volumes": [SMALL]}, Usage({}, {"small": 100 << 10}), None),
        (
            {"volumes": [*VOLUMES, SMALL]},
            Usage({}, {"small": MUCH}),
            'Usage of EmptyDir volume "small" exceeds the limit "100Ki". ',
        ),
        (
            {"containers": containers(STORED, {})},
            Usage({"c0": 60 << 10, "c1": 30 << 10}, {"v": 20 << 10}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 100Ki. ",
        ),
        (
            {"containers": containers(STORED, {"limits": {"ephemeral-storage": "1Gi"}})},
            Usage({"c0": MUCH}, {}),
            'Container c0 exceeded its local ephemeral storage limit "100Ki". ',
        ),
        ({"containers": containers(STORED, STORED)}, Usage({"c0": 99 << 10, "c1": 99 << 10}, {}), None),
    ],
    ids=["no limit", "just full", "a volume", "the Pod", "a container", "each within"],
)
def test_who_writes_more_than_allowed_goes_at_once(spec: dict[str, Any], used: Usage, message: str | None) -> None:
    failure = exceeded(pod(spec), used)
    assert failure == (Failure("Evicted", message, at_once=True) if message else None)


@pytest.mark.parametrize(
    ("spec", "measured"),
    [
        ({"volumes": VOLUMES[:3]}, False),
        ({"volumes": VOLUMES}, True),
        ({"containers": containers({"limits": {"cpu": "1"}})}, False),
        ({"containers": containers({}, STORED)}, True),
    ],
)
def test_only_what_has_a_limit_is_measured(spec: dict[str, Any], measured: bool) -> None:
    assert limited(pod(spec)) is measured


def test_what_is_empty_inside_a_file_counts_for_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert size_of(tmp_path) < 1 << 20
    (tmp_path / "full").write_bytes(b"x" * 200_000)
    assert size_of(tmp_path) >= 200_000
    assert size_of(tmp_path / "missing") == 0
