"""Small valid objects, and what the API server does with one before it stores it."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from podling.api.catalog import Catalog, Resource
from podling.api.errors import Cause

Json = dict[str, Any]
HERE = Path(__file__).parent


@cache
def catalog() -> Catalog:
    return Catalog.load("book")


def resource(api_version: str, kind: str) -> Resource:
    group, _, version = api_version.rpartition("/")
    found = catalog().by_kind(group, version, kind)
    assert found is not None, f"{api_version} {kind} is not served"
    return found


@cache
def bases() -> dict[str, Json]:
    return {obj["kind"]: obj for obj in yaml.safe_load_all((HERE / "cases" / "bases.yaml").read_text())}


def base(kind: str, **paths: Any) -> Json:
    """The valid object of a kind, with values set by path: `base("Pod", **{"spec.containers.0.image": ""})`."""
    obj = copy.deepcopy(bases()[kind])
    for path, value in paths.items():
        put(obj, path, value)
    return obj


def put(obj: Any, path: str, value: Any) -> None:
    """Sets a value at a path of names and numbers; the value `~` removes."""
    *way, last = path.split(".")
    for step in way:
        obj = obj[int(step)] if isinstance(obj, list) else obj.setdefault(step, {})
    if value == "~":
        del obj[last]
    else:
        obj[last] = copy.deepcopy(value)


def created(obj: Json) -> Json:
    """The hub object after defaults and strategy, as it is validated."""
    entry = resource(obj["apiVersion"], obj["kind"])
    hub = entry.to_hub(copy.deepcopy(obj))
    entry.declaration.prepare_create(hub)
    return hub


def findings(obj: Json) -> list[Cause]:
    """What is wrong with an object a client wants to create."""
    return resource(obj["apiVersion"], obj["kind"]).validate(created(obj))


def update_findings(new: Json, old: Json) -> list[Cause]:
    """What is wrong with an update of a stored object."""
    entry = resource(old["apiVersion"], old["kind"])
    stored = created(old)
    hub = entry.to_hub(copy.deepcopy(new))
    entry.declaration.prepare_update(hub, stored)
    return entry.validate_update(hub, stored)


def said(causes: list[Cause]) -> list[str]:
    return [f"    {cause.field}: {cause.message}" for cause in causes] or ["    (nothing)"]
