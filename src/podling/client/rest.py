"""Thin calls on a transport: one method per thing a component does.

No cache, no retry, no semantics: what is right to do after a Conflict only the caller knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from podling.client.resources import NAMESPACES, PODS
from podling.client.transport import Answer, Resource, Transport

Propagation = Literal["Foreground", "Background", "Orphan"]
PatchKind = Literal["json", "merge", "strategic-merge", "apply"]
PATCH_TYPES: Mapping[PatchKind, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic-merge": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class Rest:
    """Failures are `api.errors.ApiError`. Bodies are JSON values; the namespace is "" for cluster-scoped resources."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def get(self, resource: Resource, namespace: str, name: str, subresource: str = "") -> Answer:
        return await self.transport.request("GET", resource.path(namespace, name, subresource))

    async def create(
        self, resource: Resource, namespace: str, body: Any, *, name: str = "", subresource: str = ""
    ) -> Answer:
        """`name` and `subresource` only for subresources that are created (eviction, token)."""
        return await self.transport.request("POST", resource.path(namespace, name, subresource), body=body)

    async def update(
        self, resource: Resource, namespace: str, name: str, body: Any, *, subresource: str = ""
    ) -> Answer:
        """Optimistically locked where the body carries metadata.resourceVersion."""
        return await self.transport.request("PUT", resource.path(namespace, name, subresource), body=body)

    async def update_status(self, resource: Resource, namespace: str, name: str, body: Any) -> Answer:
        return await self.update(resource, namespace, name, body, subresource="status")

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        *,
        kind: PatchKind = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Answer:
        query = [("fieldManager", field_manager)] if field_manager else []
        query += [("force", "true")] if force else []
        path = resource.path(namespace, name, subresource)
        return await self.transport.request("PATCH", path, body=body, query=query, content_type=PATCH_TYPES[kind])

    async def patch_status(
        self, resource: Resource, namespace: str, name: str, body: Any, *, kind: PatchKind = "merge"
    ) -> Answer:
        return await self.patch(resource, namespace, name, body, kind=kind, subresource="status")

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        revision: int = 0,
        grace: int | None = None,
        propagation: Propagation | None = None,
    ) -> Answer:
        """`uid` and `revision` are preconditions; `grace` in seconds."""
        body = delete_options(uid=uid, revision=revision, grace=grace, propagation=propagation)
        return await self.transport.request("DELETE", resource.path(namespace, name), body=body)

    async def delete_collection(self, resource: Resource, namespace: str) -> Answer:
        return await self.transport.request("DELETE", resource.path(namespace))

    async def bind(self, namespace: str, pod: str, uid: str, node: str) -> Answer:
        """Fails with Conflict where the Pod is bound already or another of the same name."""
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod, "namespace": namespace, "uid": uid},
            "target": {"kind": "Node", "name": node},
        }
        return await self.create(PODS, namespace, body, name=pod, subresource="binding")

    async def finalize(self, name: str, body: Any) -> Answer:
        """Write the finalizers of a Namespace (`spec.finalizers`)."""
        return await self.update(NAMESPACES, "", name, body, subresource="finalize")


def delete_options(
    *, uid: str = "", revision: int = 0, grace: int | None = None, propagation: Propagation | None = None
) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
    preconditions = {"uid": uid} if uid else {}
    preconditions |= {"resourceVersion": str(revision)} if revision else {}
    if preconditions:
        out["preconditions"] = preconditions
    if grace is not None:
        out["gracePeriodSeconds"] = grace
    if propagation is not None:
        out["propagationPolicy"] = propagation
    return out
