"""CRDs themselves: their conditions, names that clash, their end, and what they bring to discovery and OpenAPI."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.apiserver.customresources.crontabs import (
    CRDS,
    CRONTABS,
    GROUP,
    NAME,
    condition,
    crontab,
    defined,
    definition,
    until,
    version,
)
from tests.apiserver.serving import serving, take

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


async def test_a_definition_is_established_and_served_at_once() -> None:
    async with serving() as api:
        crd = await defined(api)
        assert condition(crd, "NamesAccepted")["reason"] == "NoConflicts"
        assert condition(crd, "Established")["message"] == "the initial names have been accepted"
        assert crd["status"]["storedVersions"] == ["v1"]
        assert crd["status"]["acceptedNames"]["listKind"] == "CronTabList"
        made = await api.make(CRONTABS, crontab())
        assert made["spec"] == {"cronSpec": "* * * * */5", "image": "busybox", "replicas": 1}
        assert made["metadata"]["generation"] == 1


async def test_discovery_and_openapi_learn_of_it_with_another_etag() -> None:
    async with serving() as api:
        before = await api.get("/apis", AGGREGATED)
        await defined(api)
        after = await api.get("/apis", AGGREGATED)
        assert before.headers["etag"] != after.headers["etag"]
        plain = (await api.get(f"/apis/{GROUP}/v1")).json()
        assert {each["name"] for each in plain["resources"]} == {"crontabs", "crontabs/status", "crontabs/scale"}
        index = (await api.get("/openapi/v3")).json()["paths"]
        document = (await api.get(index[f"apis/{GROUP}/v1"]["serverRelativeURL"])).json()
        model = document["components"]["schemas"]["com.example.stable.v1.CronTab"]
        assert model["properties"]["spec"]["properties"]["image"]["default"] == "busybox"
        assert model["x-kubernetes-group-version-kind"] == [{"group": GROUP, "kind": "CronTab", "version": "v1"}]
        old = (await api.get("/openapi/v2")).json()
        assert "com.example.stable.v1.CronTab" in old["definitions"]


async def test_names_that_are_taken_are_not_accepted_until_they_are_free() -> None:
    async with serving() as api:
        await defined(api)
        await api.make(CRDS, definition(plural="crons", kind="Cron"))
        second = await until(api, f"crons.{GROUP}", "NamesAccepted", "False")
        assert condition(second, "NamesAccepted")["reason"] == "ShortNamesConflict"
        assert condition(second, "NamesAccepted")["message"] == '"ct" is already in use'
        assert condition(second, "Established")["reason"] == "NotAccepted"
        assert (await api.get(f"/apis/{GROUP}/v1/crons")).status_code == 404
        await api.http.delete(f"{CRDS}/{NAME}")
        await until(api, f"crons.{GROUP}", "Established")
        assert (await api.get(f"/apis/{GROUP}/v1/crons")).status_code == 200


async def test_a_definition_that_goes_takes_its_objects_along_and_waits_for_their_finalizers() -> None:
    async with serving() as api:
        await defined(api)
        await api.make(CRONTABS, crontab("held", metadata={"finalizers": ["example.com/wait"]}))
        await api.make(CRONTABS, crontab("free"))
        gone = await api.http.delete(f"{CRDS}/{NAME}")
        assert gone.json()["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        await until(api, NAME, "Terminating")
        refused = await api.http.post(CRONTABS, json=crontab("late"))
        assert refused.status_code == 405
        async with asyncio.timeout(5), api.watching(CRDS) as events:
            async for event in events:
                if event["type"] == "ADDED":
                    await api.patch(f"{CRONTABS}/held", {"metadata": {"finalizers": None}})
                if event["type"] == "DELETED":
                    break
        assert (await api.get(CRONTABS)).status_code == 404


async def test_a_watch_ends_when_the_definition_changes_and_goes_on_afterwards() -> None:
    async with serving() as api:
        await defined(api)
        made = await api.make(CRONTABS, crontab())
        async with api.watching(CRONTABS, resourceVersion=made["metadata"]["resourceVersion"]) as events:
            changed = definition(version(additionalPrinterColumns=[]))
            assert (await api.patch(f"{CRDS}/{NAME}", {"spec": changed["spec"]})).status_code == 200
            async with asyncio.timeout(5):
                assert [event async for event in events] == []
        async with api.watching(CRONTABS) as events:
            assert (await take(events, 1))[0]["object"]["metadata"]["name"] == "a"


async def test_objects_from_before_a_new_default_are_answered_with_it() -> None:
    async with serving() as api:
        await defined(api)
        await api.make(CRONTABS, crontab())
        changed = version()
        changed["schema"]["openAPIV3Schema"]["properties"]["spec"] = {
            "type": "object",
            "properties": {"cronSpec": {"type": "string"}, "zone": {"type": "string", "default": "UTC"}},
        }
        changed["additionalPrinterColumns"] = []
        changed["selectableFields"] = []
        changed["subresources"] = {"status": {}}
        await api.patch(f"{CRDS}/{NAME}", {"spec": definition(changed)["spec"]})

        async def spec() -> Any:
            return (await api.get(f"{CRONTABS}/a")).json()["spec"]

        async with asyncio.timeout(5):
            while await spec() != {"cronSpec": "* * * * */5", "zone": "UTC"}:
                await asyncio.sleep(0.01)
        listed = (await api.get(CRONTABS)).json()["items"]
        assert listed[0]["spec"] == {"cronSpec": "* * * * */5", "zone": "UTC"}


async def test_versions_differ_in_name_only_without_a_webhook() -> None:
    async with serving() as api:
        await defined(api, definition(version("v1"), version("v1beta1", storage=False, deprecated=True)))
        await api.make(CRONTABS, crontab())
        other = await api.get(f"/apis/{GROUP}/v1beta1/namespaces/default/crontabs/a")
        assert other.json()["apiVersion"] == f"{GROUP}/v1beta1"
        assert other.headers["warning"] == f'299 - "{GROUP}/v1beta1 CronTab is deprecated"'
        await api.make(f"/apis/{GROUP}/v1beta1/namespaces/default/crontabs", crontab("b", api="v1beta1"))
        assert [each["apiVersion"] for each in (await api.get(CRONTABS)).json()["items"]] == [f"{GROUP}/v1"] * 2


async def test_each_version_shows_the_fields_it_knows() -> None:
    other = version("v2", storage=False, additionalPrinterColumns=[], selectableFields=[], subresources={})
    spec = {"type": "object", "properties": {"zone": {"type": "string"}, "cronSpec": {"type": "string"}}}
    other["schema"] = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    async with serving() as api:
        await defined(api, definition(version(), other))
        there = f"/apis/{GROUP}/v2/namespaces/default/crontabs"
        made = await api.make(there, crontab(api="v2", zone="UTC"))
        assert made["spec"] == {"cronSpec": "* * * * */5", "zone": "UTC"}
        stored = (await api.get(f"{CRONTABS}/a")).json()["spec"]
        assert stored == {"cronSpec": "* * * * */5", "image": "busybox", "replicas": 1}


async def test_a_restarted_server_serves_what_was_defined() -> None:
    from podling.storage.memory import MemoryStorage

    storage = MemoryStorage()
    async with serving(storage) as api:
        await defined(api)
        await api.make(CRONTABS, crontab())
    async with serving(storage) as api:
        assert (await api.get(f"{CRONTABS}/a")).status_code == 200


@pytest.mark.parametrize("order", [("v1", "v1beta1"), ("v1beta1", "v1")])
async def test_an_applier_may_change_the_version_and_leave_its_labels_behind(order: tuple[str, str]) -> None:
    async with serving() as api:
        await defined(api, definition(version("v1"), version("v1beta1", storage=False)))
        first: dict[str, Any] = {"name": "a", "labels": {"tier": "one"}}
        for number, metadata in enumerate((first, {"name": "a"})):
            there = f"/apis/{GROUP}/{order[number]}/namespaces/default/crontabs/a"
            config = crontab(api=order[number]) | {"metadata": metadata}
            answer = await api.patch(there, config, "apply-patch+yaml", fieldManager="m")
            assert answer.status_code in (200, 201), answer.text
            found = answer.json()["metadata"]
            assert (found["name"], found.get("labels")) == ("a", metadata.get("labels"))
