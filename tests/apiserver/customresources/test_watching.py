"""Custom objects watched as an operator would: our own client over TLS, through changes of their definition."""

from __future__ import annotations

import asyncio
from pathlib import Path

from podling.api.objects import Object
from podling.client.informer import Informers
from podling.client.rest import Rest
from podling.client.transport import Resource
from podling.env import SystemEnv
from podling.supervise import Supervisor
from tests.apiserver.customresources.crontabs import GROUP, NAME, crontab, definition, version
from tests.client.servers import secured_server

DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
CRONTABS = Resource(GROUP, "v1", "crontabs")


async def test_an_operator_sees_every_object_through_a_change_of_the_definition(tmp_path: Path) -> None:
    async with secured_server(tmp_path) as secured, Supervisor() as tasks, asyncio.timeout(20):
        rest = Rest(secured.client("kubernetes-admin", "system:masters"))
        informers = Informers(secured.client("operator", "system:masters"), SystemEnv())
        seen: list[tuple[str, str]] = []

        def handler(old: Object | None, new: Object | None) -> None:
            kind = "gone" if new is None else "new" if old is None else "changed"
            seen.append((kind, (new or old).head.name))  # type: ignore[union-attr]

        await rest.create(DEFINITIONS, "", definition())
        informer = informers.of(CRONTABS)
        informer.on_change(handler)
        tasks.start("informers", informers.run())
        await informer.wait_synced()
        await rest.create(CRONTABS, "default", crontab("a"))
        await informer.wait_until(lambda: ("new", "a") in seen)
        changed = definition(version(additionalPrinterColumns=[]))
        await rest.patch(DEFINITIONS, "", NAME, {"spec": changed["spec"]})
        await rest.create(CRONTABS, "default", crontab("b"))
        await rest.patch(CRONTABS, "default", "a", {"spec": {"replicas": 2}})
        await informer.wait_until(lambda: {("new", "b"), ("changed", "a")} <= set(seen))
        await rest.delete(CRONTABS, "default", "b")
        await informer.wait_until(lambda: ("gone", "b") in seen)
        assert [each for each in seen if each[0] == "new"] == [("new", "a"), ("new", "b")]
