"""Controllers that look at everything look at custom resources too, from when they come until they go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from podling.api.catalog import Catalog
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import SystemEnv
from podling.reconcile.view import Settings
from podling.supervise import Supervisor
from tests.apiserver.customresources.crontabs import CRDS, CRONTABS, NAME, crontab, defined
from tests.apiserver.serving import DEFAULT, Api, Json, serving


@asynccontextmanager
async def controlled() -> AsyncIterator[Api]:
    async with serving() as api, Supervisor() as tasks:
        transport = api.server.transport("system:kube-controller-manager", ("system:masters",))
        served = served_by(Catalog.load("current"))
        tasks.start("manager", ControllerManager(transport, SystemEnv(), Settings(), served).run())
        yield api


async def gone(api: Api, path: str) -> None:
    async with asyncio.timeout(10):
        while (await api.get(path)).status_code != 404:
            await asyncio.sleep(0.02)


def owner(made: Json) -> Json:
    metadata = made["metadata"]
    reference = {"apiVersion": made["apiVersion"], "kind": made["kind"], "name": metadata["name"]}
    return {"ownerReferences": [{**reference, "uid": metadata["uid"]}]}


async def test_what_a_custom_object_owns_goes_with_it() -> None:
    async with controlled() as api:
        await defined(api)
        made = await api.make(CRONTABS, crontab())
        await api.config_map("child", **owner(made))
        await api.make(CRONTABS, crontab("young", metadata=owner(made)))
        await api.http.delete(f"{CRONTABS}/a")
        await gone(api, f"{DEFAULT}/configmaps/child")
        await gone(api, f"{CRONTABS}/young")


async def test_custom_objects_go_with_their_namespace_and_it_waits_for_them() -> None:
    async with controlled() as api:
        await defined(api)
        await api.make("/api/v1/namespaces", {"metadata": {"name": "work"}})
        there = CRONTABS.replace("/default/", "/work/")
        await api.make(there, crontab("held", metadata={"finalizers": ["example.com/wait"]}))
        await api.http.delete("/api/v1/namespaces/work")
        async with asyncio.timeout(10):
            while "deletionTimestamp" not in (await api.get(f"{there}/held")).json()["metadata"]:
                await asyncio.sleep(0.02)
        assert (await api.get("/api/v1/namespaces/work")).json()["status"]["phase"] == "Terminating"
        await api.patch(f"{there}/held", {"metadata": {"finalizers": None}})
        await gone(api, "/api/v1/namespaces/work")


async def test_a_definition_may_come_back_after_it_went() -> None:
    async with controlled() as api:
        for _ in range(2):
            await defined(api)
            made = await api.make(CRONTABS, crontab())
            await api.config_map("child", **owner(made))
            await api.http.delete(f"{CRONTABS}/a")
            await gone(api, f"{DEFAULT}/configmaps/child")
            await api.http.delete(f"{CRDS}/{NAME}")
            await gone(api, f"{CRDS}/{NAME}")
