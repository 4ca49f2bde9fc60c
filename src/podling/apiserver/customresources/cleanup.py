"""The end of a CRD: its objects are deleted, and when the last one is gone its finalizer goes too."""

from __future__ import annotations

from typing import Any

from podling.api.errors import ApiError, Conflict, NotFound
from podling.api.kinds.apiextensions.customresourcedefinition import FINALIZER
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.conversion import Unconverted
from podling.apiserver.customresources.names import with_condition
from podling.apiserver.customresources.writing import own_request, write, write_status
from podling.apiserver.endpoints.delete import delete_object
from podling.apiserver.endpoints.options import DeleteOptions, delete_options
from podling.apiserver.registry.served import Served

Json = dict[str, Any]
AGAIN = 5.0
"""Seconds after which objects whose deletion was refused are tried again."""


async def clean(backend: Backend, name: str, stored: Served | None) -> None:
    """Until no object is left and the finalizer is off. `stored`: None where nothing was ever served."""
    if stored is not None:
        await _empty(backend, name, stored)
    await write(
        backend, name, lambda old: _without_finalizer(_said(old, backend, "False", "InstanceDeletionCompleted"))
    )


async def _empty(backend: Backend, name: str, stored: Served) -> None:
    prefix = stored.prefix()
    if backend.cache.count(prefix):
        await write_status(
            backend, name, lambda old: _said(old, backend, "True", "InstanceDeletionInProgress")["status"]
        )
    while backend.cache.count(prefix):
        since = backend.cache.revision
        request = own_request("DELETE", f"/apis/{stored.api_version}/{stored.entry.plural}")
        options: DeleteOptions = delete_options({}, request)
        for obj in backend.cache.list(prefix):
            try:
                await delete_object(backend, request, stored, obj.head.namespace, obj.head.name, options)
            except (NotFound, Conflict):
                continue
            except Unconverted as unconverted:
                if not await _settled(unconverted):
                    break
            except ApiError:
                break  # refused by admission: asked again below
        async with backend.cache.watch(prefix, since=since) as events:
            while backend.cache.count(prefix) and await events.next(AGAIN):
                pass


async def _settled(unconverted: Unconverted) -> bool:
    """Whether the webhook answered; what it converted is deleted in the next round."""
    try:
        await unconverted.settle()
    except ApiError:
        return False
    return True


def _said(crd: Json, backend: Backend, said: str, reason: str) -> Json:
    done = reason == "InstanceDeletionCompleted"
    text = "removed all instances" if done else "CustomResource deletion is in progress"
    status = crd.get("status") or {}
    conditions = with_condition(status.get("conditions") or (), "Terminating", said, reason, text, backend.env.now())
    return {**crd, "status": {**status, "conditions": conditions}}


def _without_finalizer(crd: Json) -> Json:
    left = [each for each in crd["metadata"].get("finalizers") or () if each != FINALIZER]
    metadata = {key: value for key, value in crd["metadata"].items() if key != "finalizers"}
    return {**crd, "metadata": {**metadata, "finalizers": left} if left else metadata}
