"""Controllers that look at everything look at the resources of other API servers too."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from podling.api.catalog import Catalog
from podling.apiserver.message import User
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from podling.reconcile.view import Settings
from podling.supervise import Supervisor
from tests.apiserver.serving import DEFAULT, Api, Json, serving
from tests.apiserver.test_aggregation import NAME, SERVICES, OneNode, backing, condition
from tests.conformance.sampleserver import BASE, GROUP, VERSION, Cluster, SampleServer
from tests.controllermanager.test_customresources import gone, owner

FLUNDERS = f"{BASE}/namespaces/default/flunders"


@dataclass
class Joined:
    """A cluster with controllers, and the server joined to it."""

    api: Api
    sample: SampleServer
    node: OneNode

    async def flunder(self, name: str, namespace: str = "default", **metadata: object) -> Json:
        path = FLUNDERS.replace("/default/", f"/{namespace}/")
        return await self.api.make(path, {"metadata": {"name": name, **metadata}})


@asynccontextmanager
async def running(api: Api) -> AsyncIterator[tuple[SampleServer, str]]:
    """The sample server in a thread; its authority as a caBundle."""
    authority = CertificateAuthority.create("sample", SystemEnv().now())
    pair = authority.serving("wardle", ["wardle.default.svc"], SystemEnv().now())
    path = api.folder / "sample.pem"
    path.write_bytes(pair.certificate + pair.key)
    cluster = Cluster(api.url, api.authority.pair.certificate.decode(), "sample")
    sample = await asyncio.to_thread(SampleServer, ("127.0.0.1", 0), str(path), cluster)
    thread = threading.Thread(target=sample.serve_forever)
    thread.start()
    try:
        yield sample, base64.b64encode(authority.pair.certificate).decode()
    finally:
        sample.ended.set()
        await asyncio.to_thread(sample.shutdown)
        thread.join()
        sample.server_close()


@asynccontextmanager
async def joined() -> AsyncIterator[Joined]:
    node, tokens = OneNode(), {"sample": User("sample", ("system:masters",))}
    async with (
        serving(dialer=node, static_tokens=tokens) as api,
        running(api) as (sample, bundle),
        Supervisor() as tasks,
    ):
        node.port = sample.server_address[1]
        transport = api.server.transport("system:kube-controller-manager", ("system:masters",))
        served = served_by(Catalog.load("current"))
        tasks.start("manager", ControllerManager(transport, SystemEnv(), Settings(), served).run())
        await backing(api)
        spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 15}
        spec |= {"service": {"namespace": "default", "name": "wardle"}, "caBundle": bundle}
        await api.make(SERVICES, {"metadata": {"name": NAME}, "spec": spec})
        await condition(api, "True", "Passed")
        yield Joined(api, sample, node)


async def test_what_such_an_object_owns_goes_with_it_and_it_with_its_owner() -> None:
    async with joined() as here:
        owning = await here.flunder("owner")
        await here.api.config_map("child", **owner(owning))
        map_ = await here.api.config_map("parent")
        await here.flunder("owned", **owner(map_))
        await here.api.http.delete(f"{FLUNDERS}/owner")
        await gone(here.api, f"{DEFAULT}/configmaps/child")
        await here.api.http.delete(f"{DEFAULT}/configmaps/parent")
        await gone(here.api, f"{FLUNDERS}/owned")


async def test_they_go_with_their_namespace_and_it_waits_for_them() -> None:
    async with joined() as here:
        await here.api.make("/api/v1/namespaces", {"metadata": {"name": "work"}})
        await here.flunder("plain", "work")
        await here.flunder("held", "work", finalizers=["example.com/wait"])
        there = FLUNDERS.replace("/default/", "/work/")
        await here.api.http.delete("/api/v1/namespaces/work")
        await gone(here.api, f"{there}/plain")
        async with asyncio.timeout(10):
            while "deletionTimestamp" not in (await here.api.get(f"{there}/held")).json()["metadata"]:
                await asyncio.sleep(0.02)
        assert (await here.api.get("/api/v1/namespaces/work")).json()["status"]["phase"] == "Terminating"
        await here.api.patch(f"{there}/held", {"metadata": {"finalizers": None}})
        await gone(here.api, "/api/v1/namespaces/work")


async def failure(api: Api, namespace: str) -> str:
    """Why it is not known what is left in a namespace."""
    async with asyncio.timeout(10):
        while True:
            said = (await api.get(f"/api/v1/namespaces/{namespace}")).json().get("status", {}).get("conditions", ())
            for each in said:
                if each["type"] == "NamespaceDeletionDiscoveryFailure" and each["status"] == "True":
                    return str(each["message"])
            await asyncio.sleep(0.02)


async def test_no_namespace_goes_while_a_server_cannot_be_asked() -> None:
    async with joined() as here:
        await here.api.make("/api/v1/namespaces", {"metadata": {"name": "work"}})
        await here.flunder("left", "work")
        slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/wardle"
        await here.api.patch(slices, {"endpoints": []})
        await condition(here.api, "False", "MissingEndpoints")
        await here.api.http.delete("/api/v1/namespaces/work")
        said = await failure(here.api, "work")
        assert f"{GROUP}/{VERSION}: stale GroupVersion discovery: {GROUP}/{VERSION}" in said
        await here.api.http.delete(f"{SERVICES}/{NAME}")
        await gone(here.api, "/api/v1/namespaces/work")
