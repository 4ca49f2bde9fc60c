"""Every kept resource is looked at once, by whichever of its groups an owner reference names it."""

from __future__ import annotations

import pytest

from podling.api.catalog import Catalog
from podling.controllermanager.served import served_by
from podling.reconcile.view import ServedResources


@pytest.mark.parametrize(
    ("group", "kind", "home"),
    [
        ("extensions", "Deployment", "apps"),
        ("extensions", "Ingress", "networking.k8s.io"),
        ("events.k8s.io", "Event", ""),
        ("apps", "Deployment", "apps"),
    ],
)
def test_an_owner_is_found_by_the_group_that_the_reference_names(group: str, kind: str, home: str) -> None:
    found = ServedResources(served_by(Catalog.load("book"))).of_kind(group, kind)
    assert found is not None and (found.resource.group, found.kind) == (home, kind)


def test_no_resource_is_looked_at_twice() -> None:
    places = [(each.resource.group, each.kind) for each in served_by(Catalog.load("book"))]
    assert len(places) == len(set(places))
    assert ServedResources(served_by(Catalog.load("current"))).of_kind("extensions", "Deployment") is None
