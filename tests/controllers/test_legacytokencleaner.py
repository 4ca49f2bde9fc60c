"""Tokens of old that nobody uses: what becomes of their Secrets, and of which it does not."""

from __future__ import annotations

from typing import Any

import pytest

from podling.client.resources import CONFIGMAPS, PODS, SECRETS, SERVICEACCOUNTS
from podling.controllers.legacytokencleaner import CONTROLLER, INVALID_SINCE, LAST_USED, LIFE, TRACKING
from podling.controllers.serviceaccounttokens import ACCOUNT, TYPE
from podling.env import rfc3339
from tests.controllers.world import NOW, World

YEARS = 365 * 86400.0


def day(ago: float) -> str:
    return rfc3339(NOW - ago * YEARS)[:10]


def world_with(*, since: float = 2, made: float = 3, named: bool = True, labels: dict[str, str] | None = None) -> World:
    """Times are years ago."""
    world, (namespace, name) = World(), TRACKING
    world.add(CONFIGMAPS, {"metadata": {"name": name}, "data": {"since": day(since)}}, namespace=namespace)
    secrets = [{"name": "build-token"}] if named else []
    world.add(SERVICEACCOUNTS, {"metadata": {"name": "build", "uid": "u1"}, "secrets": secrets})
    metadata: dict[str, Any] = {"name": "build-token", "annotations": {ACCOUNT: "build"}, "labels": labels or {}}
    metadata["creationTimestamp"] = rfc3339(NOW - made * YEARS)
    world.add(SECRETS, {"metadata": metadata, "type": TYPE})
    return world


def label(world: World) -> str | None:
    found: dict[str, str] = world.get(SECRETS, "build-token")["metadata"].get("labels") or {}
    return found.get(INVALID_SINCE)


def test_what_nobody_used_for_a_year_is_marked() -> None:
    world = world_with(labels={LAST_USED: day(1.5)})
    world.run(CONTROLLER)
    assert label(world) == day(0)
    assert world.again[-1] == 86400


@pytest.mark.parametrize(
    "given",
    [
        {"labels": {LAST_USED: day(0.5)}},
        {"since": 0.5},
        {"made": 0.5},
        {"named": False},
    ],
    ids=["it is used", "uses are not written down for long", "it is young", "it was made by hand"],
)
def test_what_may_be_needed_stays(given: dict[str, Any]) -> None:
    world = world_with(**given)
    world.run(CONTROLLER)
    assert label(world) is None


def test_what_a_pod_mounts_stays() -> None:
    world = world_with()
    volumes = [{"name": "v", "secret": {"secretName": "build-token"}}]
    world.add(PODS, {"metadata": {"name": "p"}, "spec": {"volumes": volumes}})
    world.run(CONTROLLER)
    assert label(world) is None


@pytest.mark.parametrize(("marked", "gone"), [(0.5, False), (1.5, True)])
def test_what_was_marked_goes_a_year_later(marked: float, gone: bool) -> None:
    world = world_with(labels={INVALID_SINCE: day(marked)})
    world.run(CONTROLLER)
    assert (world.all(SECRETS) == []) is gone
    assert LIFE == YEARS
