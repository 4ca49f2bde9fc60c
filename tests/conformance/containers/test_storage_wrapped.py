"""Many volumes of one Pod, and of many Pods at the same moment: none gets what belongs to another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.pods import pod
from tests.conformance.containers.sources import data, mounting, source
from tests.conformance.containers.together import Together, look, together
from tests.conformance.kube import Json, Kube

MAPS, PODS = 50, 5


def many(number: int) -> Json:
    """A Pod that mounts all ConfigMaps."""
    sources = {f"v{index}": source("ConfigMap", f"map-{index}") for index in range(MAPS)}
    return pod(f"many-{number}", f"for i in $(seq 0 {MAPS - 1}); do cat /v$i/value; echo; done", **mounting(**sources))


@pytest.fixture(scope="module")
def seen(kube: Kube) -> Iterator[Together]:
    maps = [("v1/configmaps", data("configMap", f"map-{index}", {"value": f"{index}"})) for index in range(MAPS)]
    secret = ("v1/secrets", data("secret", "hidden", {"value": "hidden"}))
    both = mounting(secret=source("Secrets", "hidden"), config=source("ConfigMap", "map-7"))
    wrapped = pod("wrapped", look("/secret/value", "/config/value"), **both)
    with together(kube, [wrapped, *map(many, range(PODS))], [*maps, secret]) as found:
        yield found


@pytest.mark.conformance("[sig-storage] EmptyDir wrapper volumes should not conflict [Conformance]")
def test_a_secret_and_a_config_map_lie_side_by_side(seen: Together) -> None:
    assert seen.said("wrapped") == ["/secret/value 644 0:0", "hidden", "/config/value 644 0:0", "7"]


@pytest.mark.conformance(
    "[sig-storage] EmptyDir wrapper volumes should not cause race condition when used for configmaps "
    "[Conformance] [Serial]"
)
def test_pods_that_mount_the_same_many_config_maps_at_once_all_start(seen: Together) -> None:
    for number in range(PODS):
        assert seen.said(f"many-{number}") == [str(index) for index in range(MAPS)]
