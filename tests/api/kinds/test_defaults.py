"""What is filled in: every default of an object as a line, and nothing that stands in a template by mistake."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from podling.api.kinds.core.poddefaults import image_tag, pull_policy
from podling.api.kinds.core.podqos import qos_class
from tests.api.kinds import golden, objects

Json = dict[str, Any]
WRITTEN = [*yaml.safe_load_all((objects.HERE / "cases" / "defaults.yaml").read_text())]


def leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(f"{path}[{index}]", inner)
    else:
        yield path, value


def test_defaults_are_those_of_upstream() -> None:
    lines: list[str] = []
    for obj in WRITTEN:
        before = dict(leaves("", obj))
        lines.append(f"{obj['apiVersion']} {obj['kind']} {obj['metadata']['name']}")
        for path, value in sorted(leaves("", objects.created(obj))):
            if path not in before or before[path] != value:
                lines.append(f"    {path}: {json.dumps(value)}")
    golden.check("defaults", lines)


@pytest.mark.parametrize("obj", WRITTEN, ids=lambda obj: f"{obj['kind']}-{obj['metadata']['name']}")
def test_defaults_fill_in_nothing_the_second_time(obj: Json) -> None:
    entry = objects.resource(obj["apiVersion"], obj["kind"])
    once = entry.to_hub(copy.deepcopy(obj))
    assert entry.to_hub(copy.deepcopy(once)) == once


@pytest.mark.parametrize("obj", WRITTEN, ids=lambda obj: f"{obj['kind']}-{obj['metadata']['name']}")
def test_what_is_given_is_kept(obj: Json) -> None:
    after = dict(leaves("", objects.created(obj)))
    dropped = {path for path, value in leaves("", obj) if value not in ({}, []) and path not in after}
    assert dropped <= {"stringData.password"}


@pytest.mark.parametrize("obj", WRITTEN, ids=lambda obj: f"{obj['kind']}-{obj['metadata']['name']}")
def test_an_object_with_its_defaults_is_valid_and_has_a_view(obj: Json) -> None:
    entry = objects.resource(obj["apiVersion"], obj["kind"])
    hub = objects.created(obj)
    assert entry.validate(hub) == []
    assert entry.declaration.decode(json.dumps(hub).encode()).metadata.name == obj["metadata"]["name"]


@pytest.mark.parametrize(
    ("image", "tag", "policy"),
    [
        ("nginx", "latest", "Always"),
        ("nginx:latest", "latest", "Always"),
        ("nginx:1.27", "1.27", "IfNotPresent"),
        ("registry.example:5000/nginx", "latest", "Always"),
        ("registry.example:5000/nginx:2", "2", "IfNotPresent"),
        ("nginx@sha256:00", "", "IfNotPresent"),
        ("nginx:latest@sha256:00", "latest", "Always"),
    ],
)
def test_only_the_latest_tag_is_always_pulled(image: str, tag: str, policy: str) -> None:
    assert (image_tag(image), pull_policy(image)) == (tag, policy)


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
        ([{"requests": {"cpu": "100m"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"limits": {"cpu": "1"}}], "Burstable"),
    ],
)
def test_the_quality_of_service_follows_requests_and_limits(resources: list[Json], expected: str) -> None:
    assert qos_class({"containers": [{"resources": one} for one in resources]}) == expected


def test_a_deleted_pod_waits_only_where_a_kubelet_has_to_stop_it() -> None:
    grace = objects.resource("v1", "Pod").declaration.grace
    assert grace is not None
    running = {"spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30}, "status": {"phase": "Running"}}
    assert grace(running, None) == 30
    assert grace(running, 5) == 5
    assert grace(running, 0) == 0
    assert grace({**running, "status": {"phase": "Succeeded"}}, None) == 0
    assert grace({**running, "spec": {}}, None) == 0
