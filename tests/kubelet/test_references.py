"""What Pods refer to, as it changes under them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from podling.client.resources import CONFIGMAPS, PODS, SECRETS
from podling.kubelet.references import References
from podling.supervise import Supervisor
from tests.kubelet.world import World, ready, world


def body(kind: str, name: str, value: str, **more: Any) -> dict[str, Any]:
    text = base64.b64encode(value.encode()).decode() if kind == "Secret" else value
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": {"key": text}, **more}


async def shown(references: References, name: str) -> str | None:
    maps, _ = await references.use("uid", "default", [name], [], lambda: None)
    found = maps[name]
    return found.data["key"] if found is not None else None


async def replaced(w: World, name: str, **more: Any) -> None:
    await w.admin.delete(CONFIGMAPS, "default", name)
    await w.admin.create(CONFIGMAPS, "default", body("ConfigMap", name, "new", **more))


async def becomes(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Asks until it is so."""
    async with asyncio.timeout(10):
        while await look() != wanted:
            await asyncio.sleep(0.01)


async def test_what_is_immutable_is_read_once_for_as_long_as_a_pod_uses_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w, Supervisor() as tasks:
        references = References(w.admin.transport, w.env, tasks)
        for name, immutable in (("fixed", True), ("loose", False)):
            await w.admin.create(CONFIGMAPS, "default", body("ConfigMap", name, "old", immutable=immutable))
            assert await shown(references, name) == "old"
            await replaced(w, name, immutable=immutable)
        await becomes(partial(shown, references, "loose"), "new")
        assert await shown(references, "fixed") == "old"
        references.release("uid")
        assert await shown(references, "fixed") == "new"


async def test_what_becomes_immutable_is_shown_as_it_became(tmp_path: Path) -> None:
    async with world(tmp_path) as w, Supervisor() as tasks:
        references = References(w.admin.transport, w.env, tasks)
        await w.admin.create(CONFIGMAPS, "default", body("ConfigMap", "c", "old"))
        assert await shown(references, "c") == "old"
        await w.admin.patch(CONFIGMAPS, "default", "c", {"data": {"key": "last"}, "immutable": True})
        await becomes(partial(shown, references, "c"), "last")


async def texts(*files: Path) -> list[str]:
    return [file.read_text() for file in files]


async def failures(w: World) -> list[str]:
    """What FailedMount said, each once."""
    begin = "Warning FailedMount "
    return sorted({event.removeprefix(begin) for event in await w.events() if event.startswith(begin)})


def mounting(**sources: Any) -> dict[str, Any]:
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in sources]
    volumes = [{"name": name, **source} for name, source in sources.items()]
    return {"volumes": volumes, "containers": [{"name": "main", "image": "app", "volumeMounts": mounts}]}


async def test_every_volume_that_cannot_be_mounted_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.create(**mounting(a={"configMap": {"name": "a"}}, b={"secret": {"secretName": "b"}}))
        await becomes(
            partial(failures, w),
            [
                'MountVolume.SetUp failed for volume "a" : configmap "a" not found',
                'MountVolume.SetUp failed for volume "b" : secret "b" not found',
            ],
        )


async def test_a_volume_whose_source_is_gone_stays_as_it_was_and_keeps_no_other_back(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.admin.create(CONFIGMAPS, "default", body("ConfigMap", "a", "old"))
        await w.admin.create(SECRETS, "default", body("Secret", "b", "old"))
        made = await w.create(**mounting(a={"configMap": {"name": "a"}}, b={"secret": {"secretName": "b"}}))
        await w.until(ready)
        place = w.state / "pods" / made["metadata"]["uid"] / "volumes"
        await w.admin.delete(CONFIGMAPS, "default", "a")
        await w.admin.patch(SECRETS, "default", "b", {"data": body("Secret", "b", "new")["data"]})
        await w.env.sleep(1)
        assert [(place / name / "key").read_text() for name in "ab"] == ["old", "new"]
        assert (
            'Warning FailedMount MountVolume.SetUp failed for volume "a" : configmap "a" not found' in await w.events()
        )


async def test_a_change_is_shown_though_the_pods_labels_change_at_the_same_time(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await w.admin.create(CONFIGMAPS, "default", body("ConfigMap", "a", "0"))
        made = await w.create(**mounting(a={"configMap": {"name": "a"}}), automountServiceAccountToken=False)
        await w.until(ready)
        file = w.state / "pods" / made["metadata"]["uid"] / "volumes/a/key"
        for turn in range(1, 20):
            change = {"metadata": {"labels": {"turn": str(turn)}}}
            await asyncio.gather(
                w.admin.patch(CONFIGMAPS, "default", "a", {"data": {"key": str(turn)}}),
                w.admin.patch(PODS, "default", "web", change),
            )
            await becomes(partial(texts, file), [str(turn)])
