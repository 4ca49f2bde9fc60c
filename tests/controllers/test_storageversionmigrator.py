"""Stored objects follow the version that is stored, and CRDs forget versions in which nothing is stored any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from podling.api.errors import ApiError, Conflict, Invalid, NotFound
from podling.client.informer import Informer
from podling.client.resources import CUSTOMRESOURCEDEFINITIONS, STORAGEVERSIONMIGRATIONS
from podling.client.transport import Resource
from podling.controllers import storageversionmigrator
from podling.env import rfc3339
from podling.reconcile.action import Again, Ask
from podling.reconcile.view import Served, Snapshot
from podling.supervise import Supervisor
from podling.testing import Cluster

Json = dict[str, Any]
THINGS = Resource("example.com", "v2", "things")
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def versions(stored: str) -> list[Json]:
    return [{"name": each, "served": True, "storage": each == stored, "schema": SCHEMA} for each in ("v1", "v2")]


def definition() -> Json:
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions("v1")}
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return kind | {"metadata": {"name": "things.example.com"}, "spec": spec}


def migration(name: str, group: str = "example.com", resource: str = "things") -> Json:
    spec = {"resource": {"group": group, "resource": resource}}
    kind = {"apiVersion": "storagemigration.k8s.io/v1", "kind": "StorageVersionMigration"}
    return kind | {"metadata": {"name": name}, "spec": spec}


async def until(cluster: Cluster, resource: Resource, holds: Callable[[dict[str, Json]], bool]) -> dict[str, Json]:
    """All objects of the resource by name, as soon as this is true of them."""
    informer = Informer(cluster.client.transport, resource, cluster.env)

    def known() -> dict[str, Json]:
        return {each.head.name: each.json() for each in informer.list()}

    async with Supervisor() as watching:
        watching.start("objects", informer.run())
        await informer.wait_synced()
        async with asyncio.timeout(20):
            await informer.wait_until(lambda: holds(known()))
        return known()


def says(found: Json) -> dict[str, str]:
    return {each["type"]: each["status"] for each in (found.get("status") or {}).get("conditions") or ()}


async def stored_anew(cluster: Cluster, count: int) -> dict[str, int]:
    """Things that are stored as v1 though v2 is stored by now, with their revisions."""
    await cluster.client.create(CUSTOMRESOURCEDEFINITIONS, "", definition())
    await until(
        cluster, CUSTOMRESOURCEDEFINITIONS, lambda all: says(all["things.example.com"]).get("Established") == "True"
    )
    revisions = {}
    for number in range(count):
        body = {"apiVersion": "example.com/v2", "kind": "Thing", "metadata": {"name": f"t{number}"}}
        revisions[f"t{number}"] = await _made(cluster, body)
    known = (await cluster.client.get(CUSTOMRESOURCEDEFINITIONS, "", "things.example.com")).object
    known["spec"]["versions"] = versions("v2")
    await cluster.client.update(CUSTOMRESOURCEDEFINITIONS, "", "things.example.com", known)
    await until(
        cluster, CUSTOMRESOURCEDEFINITIONS, lambda all: len(all["things.example.com"]["status"]["storedVersions"]) == 2
    )
    return revisions


async def _made(cluster: Cluster, body: Json) -> int:
    async with asyncio.timeout(10):
        while True:
            try:
                return (await cluster.client.create(THINGS, "default", body)).revision
            except NotFound:
                await cluster.env.sleep(0.02)  # established, and not served yet


async def test_every_object_is_written_once_and_the_definition_forgets_the_old_version() -> None:
    async with Cluster(nodes=0) as cluster:
        before = await stored_anew(cluster, 120)
        await cluster.client.create(STORAGEVERSIONMIGRATIONS, "", migration("m"))
        found = await until(cluster, STORAGEVERSIONMIGRATIONS, lambda all: says(all["m"]) == {"Succeeded": "True"})
        assert found["m"]["status"]["resourceVersion"]
        crd = (await cluster.client.get(CUSTOMRESOURCEDEFINITIONS, "", "things.example.com")).object
        assert crd["status"]["storedVersions"] == ["v2"]
        (told,) = [each for each in crd["status"]["conditions"] if each["type"] == "StorageMigrating"]
        assert (told["status"], told["reason"]) == ("False", "MigrationSucceeded")
        assert told["message"] == "The migration has succeeded and the stored versions have been updated"
        listing = await cluster.client.transport.list(THINGS)
        after = {each.head.name: each.revision for each in listing.items}
        assert len(after) == 120 and all(after[name] > before[name] for name in before)

        await cluster.client.create(STORAGEVERSIONMIGRATIONS, "", migration("again"))
        await until(cluster, STORAGEVERSIONMIGRATIONS, lambda all: says(all["again"]) == {"Succeeded": "True"})
        listing = await cluster.client.transport.list(THINGS)
        assert {each.head.name: each.revision for each in listing.items} == after, (
            "what lies there right is not written"
        )


async def test_migrations_of_one_resource_run_one_after_the_other_to_their_end() -> None:
    async with Cluster(nodes=0) as cluster:
        await stored_anew(cluster, 3)
        for name in ("a", "b", "c"):
            await cluster.client.create(STORAGEVERSIONMIGRATIONS, "", migration(name))
        done = {"Succeeded": "True"}
        await until(
            cluster,
            STORAGEVERSIONMIGRATIONS,
            lambda all: len(all) == 3 and all_of(all, lambda each: says(each) == done),
        )


def all_of(found: dict[str, Json], holds: Callable[[Json], bool]) -> bool:
    return all(holds(each) for each in found.values())


async def test_built_in_resources_are_stored_right_at_once() -> None:
    async with Cluster(nodes=0) as cluster:
        await cluster.client.create(STORAGEVERSIONMIGRATIONS, "", migration("maps", "", "configmaps"))
        await until(cluster, STORAGEVERSIONMIGRATIONS, lambda all: says(all["maps"]) == {"Succeeded": "True"})


NOW = 1_700_000_000.0


def decided(status: Json, *, age: float = 0.0, failure: ApiError | None = None, crd: Json | None = None) -> list[Any]:
    """The first actions about a migration with this status; the resource is served where there is a CRD."""
    body = migration("m")
    body["metadata"] |= {"uid": "u", "resourceVersion": "1", "creationTimestamp": rfc3339(NOW - age)}
    served = (Served(THINGS, "Thing", True),) if failure is not None else ()
    view = Snapshot(now=NOW, failure=failure, served=served)
    found = view.put(STORAGEVERSIONMIGRATIONS, body | {"status": status})
    if crd is not None:
        view.put(CUSTOMRESOURCEDEFINITIONS, crd)
    return list(next(iter(storageversionmigrator.reconcile(found, view)), ()))


RUNNING = {"conditions": [{"type": "Running", "status": "True"}]}


def test_a_resource_that_nobody_serves_is_waited_for_and_then_given_up() -> None:
    assert decided(RUNNING, age=59) == [Again(2.0)]
    (given_up,) = decided(RUNNING, age=61)
    failed = given_up.body["status"]["conditions"][1]
    assert (failed["type"], failed["message"]) == ("Failed", "resource not found")


def test_an_object_that_cannot_be_written_ends_a_migration() -> None:
    (ended,) = decided(RUNNING, failure=Invalid("no"))
    assert ended.body["status"]["conditions"][1]["message"] == "migration encountered unhandled error"
    assert isinstance(decided(RUNNING, failure=Conflict("now"))[0], Ask), "that one is tried again"


def test_a_definition_that_changed_meanwhile_keeps_its_versions() -> None:
    crd = definition()
    crd["metadata"] |= {"uid": "c", "resourceVersion": "1", "generation": 3}
    began = {"type": "StorageMigrating", "status": "True", "observedGeneration": 2}
    crd["status"] = {"conditions": [began], "storedVersions": ["v1", "v2"]}
    done = {"conditions": [*RUNNING["conditions"], {"type": "Succeeded", "status": "True"}]}
    (said,) = decided(done, crd=crd)
    assert said.body["status"]["storedVersions"] == ["v1", "v2"]
    assert said.body["status"]["conditions"][0]["message"].endswith("due to a generation mismatch")
    crd["metadata"]["generation"] = 2
    (said,) = decided(done, crd=crd)
    assert said.body["status"]["storedVersions"] == ["v1"]
