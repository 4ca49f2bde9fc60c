"""One cluster for all conformance tests; each test has a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.kube import Kube, eventually
from tests.conformance.world import World, living


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with living() as found:
        yield found


@pytest.fixture(scope="session")
def kube(world: World) -> Kube:
    """The administrator, once both nodes are ready."""
    admin = world.user("kubernetes-admin", ["system:masters"])
    eventually(lambda: len(admin.at("v1/nodes").items()) == 2)
    return admin


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """A new namespace with its service account; it is deleted afterwards, without waiting."""
    made = kube.at("v1/namespaces").create({"metadata": {"generateName": "conformance-"}})
    name: str = made["metadata"]["name"]
    kube.at("v1/serviceaccounts", name).settled(lambda found: found)
    yield name
    if kube.at("v1/namespaces").items(fieldSelector=f"metadata.name={name}"):
        kube.at("v1/namespaces").delete(name)
