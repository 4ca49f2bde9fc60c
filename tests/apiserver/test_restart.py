"""What outlives the server: objects, revisions, watches, pages, tokens; and the Unix socket."""

from __future__ import annotations

from pathlib import Path

import httpx

from podling.env import SystemEnv
from podling.storage.sqlite import SqliteStorage
from tests.apiserver.serving import DEFAULT, names, serving, take

CONFIG_MAPS = f"{DEFAULT}/configmaps"


async def opened(path: Path) -> SqliteStorage:
    return await SqliteStorage.open(str(path), SystemEnv())


async def test_a_restart_is_seen_by_nobody_who_kept_his_place(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    storage = await opened(store)
    async with serving(storage) as api:
        made = [await api.config_map(f"m{i}") for i in range(5)]
        page = (await api.get(CONFIG_MAPS, limit="2")).json()
        kubernetes = (await api.get(f"{DEFAULT}/services/kubernetes")).json()
    await storage.close()

    storage = await opened(store)
    async with serving(storage) as api:
        assert (await api.get(f"{CONFIG_MAPS}/m4")).json() == made[4]
        assert (await api.get(f"{DEFAULT}/services/kubernetes")).json() == kubernetes
        rest = (await api.get(CONFIG_MAPS, **{"continue": page["metadata"]["continue"]})).json()
        assert names(rest) == ["m2", "m3", "m4"]
        async with api.watching(CONFIG_MAPS, resourceVersion=made[2]["metadata"]["resourceVersion"]) as events:
            await api.config_map("after")
            assert [e["object"]["metadata"]["name"] for e in await take(events, 3)] == ["m3", "m4", "after"]
    await storage.close()


async def test_the_unix_socket_speaks_tls_too(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    async with serving(unix=path) as api:
        assert path.stat().st_mode & 0o777 == 0o600
        transport = httpx.AsyncHTTPTransport(uds=str(path), verify=api.context(api.admin()))
        async with httpx.AsyncClient(transport=transport, base_url="https://podling") as client:
            assert (await client.get("/version")).json()["gitVersion"] == "v1.37.1"
    assert not path.exists()
