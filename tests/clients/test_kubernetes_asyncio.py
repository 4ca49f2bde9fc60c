"""kubernetes-asyncio: the official client's asynchronous twin."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.client.exceptions import ApiException


async def test_objects_are_made_watched_and_deleted(kubeconfig: Path, namespace: str) -> None:
    async with await config.new_client_from_config(str(kubeconfig)) as api:
        core = client.CoreV1Api(api)
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="mine"), data={"a": "1"})
        since = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
        await core.create_namespaced_config_map(namespace, body)
        await core.patch_namespaced_config_map("mine", namespace, {"data": {"b": "2"}})
        assert (await core.read_namespaced_config_map("mine", namespace)).data == {"a": "1", "b": "2"}
        await core.delete_namespaced_config_map("mine", namespace)
        with pytest.raises(ApiException) as gone:
            await core.read_namespaced_config_map("mine", namespace)
        assert gone.value.status == 404
        kinds = []
        selector = "metadata.name=mine"
        async with (
            asyncio.timeout(10),
            watch.Watch().stream(
                core.list_namespaced_config_map, namespace, resource_version=since, field_selector=selector
            ) as events,
        ):
            async for event in events:
                kinds.append(event["type"])
                if len(kinds) == 3:
                    break
        assert kinds == ["ADDED", "MODIFIED", "DELETED"]


async def test_many_requests_at_once(kubeconfig: Path, namespace: str) -> None:
    async with await config.new_client_from_config(str(kubeconfig)) as api:
        core = client.CoreV1Api(api)

        async def make(number: int) -> str:
            body = client.V1ConfigMap(metadata=client.V1ObjectMeta(generate_name="many-"), data={"n": str(number)})
            return (await core.create_namespaced_config_map(namespace, body)).metadata.name

        names = await asyncio.gather(*(make(number) for number in range(50)))
        assert len(set(names)) == 50
