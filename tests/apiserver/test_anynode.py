"""Which node dials an address that is no Pod's."""

from __future__ import annotations

from podling.apiserver.anynode import any_node
from tests.apiserver.serving import Api, serving


async def node(api: Api, name: str, ready: str, **labels: str) -> None:
    await api.make("/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
    status = {"status": {"conditions": [{"type": "Ready", "status": ready}]}}
    assert (await api.patch(f"/api/v1/nodes/{name}/status", status)).status_code == 200


async def test_a_living_node_is_asked_before_a_dead_or_a_simulated_one() -> None:
    async with serving() as api:
        cache = api.server.backend.cache
        assert any_node(cache) == ""
        await node(api, "a", "False")
        assert any_node(cache) == "a"
        await node(api, "b", "True", **{"podling.dev/simulated": "true"})
        await node(api, "c", "True")
        assert any_node(cache) == "c"
