"""The objects every cluster has beside what the API server makes itself: the way to its DNS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podling.api.errors import AlreadyExists
from podling.client.transport import Resource, Transport

SERVICES, SLICES = Resource("", "v1", "services"), Resource("discovery.k8s.io", "v1", "endpointslices")


async def ensure(transport: Transport, manifests: Sequence[dict[str, Any]]) -> None:
    """Create what is missing; what is there is brought to what is wanted, for a node's address may have changed."""
    for manifest in manifests:
        resource = _resource(manifest)
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            await transport.request("POST", resource.path(namespace), body=manifest)
        except AlreadyExists:
            wanted = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
            await transport.request(
                "PATCH",
                resource.path(namespace, name),
                body=wanted,
                content_type="application/merge-patch+json",
            )


def _resource(manifest: dict[str, Any]) -> Resource:
    return SERVICES if manifest["kind"] == "Service" else SLICES
