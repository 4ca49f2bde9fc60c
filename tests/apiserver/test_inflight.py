"""Writes at work are bounded, for all and for each; the server says so with 429 and Retry-After."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podling.api.errors import TooManyRequests
from podling.apiserver.filters.inflight import InFlight
from podling.apiserver.message import Request, Response, User
from podling.apiserver.metrics import Metrics
from podling.env import SystemEnv
from podling.storage.memory import MemoryStorage
from tests.apiserver.serving import DEFAULT, serving


def request(name: str, method: str = "POST", *groups: str) -> Request:
    made = Request(method, "/")
    made.user = User(name, groups)
    return made


class Room:
    """The filter with its counts."""

    def __init__(self, limit: int) -> None:
        self.metrics = Metrics()
        self.filter = InFlight(limit, self.metrics)

    def fill(self, name: str) -> int:
        """How many a user gets at work before being refused."""
        count = 0
        while True:
            try:
                self.filter.enter(request(name))
            except TooManyRequests:
                return count
            count += 1


def test_one_user_alone_gets_half_of_all_places() -> None:
    assert Room(100).fill("greedy") == 50


def test_a_user_who_comes_later_still_finds_a_share() -> None:
    room = Room(100)
    assert [room.fill(name) for name in ("a", "b", "c")] == [50, 33, 17]
    room.filter.leave(request("a"), Response())
    assert room.metrics.mutating == 99


def test_all_together_never_get_more_than_there_is() -> None:
    room = Room(20)
    assert sum(room.fill(f"user-{number}") for number in range(100)) == room.metrics.mutating <= 20


def test_administrators_and_readers_are_let_in_always() -> None:
    room = Room(2)
    assert room.fill("a") == 1
    for _ in range(5):
        room.filter.enter(request("admin", "POST", "system:masters"))
        room.filter.enter(request("a", "GET"))
    assert room.metrics.mutating == 6


def test_who_leaves_gives_the_place_back() -> None:
    room = Room(100)
    for _ in range(room.fill("a")):
        room.filter.leave(request("a"), Response())
    assert room.metrics.mutating == 0 and room.fill("a") == 50


class SlowStorage(MemoryStorage):
    """Commits when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.go.set()

    async def create(self, key: str, value: bytes) -> Any:
        await self.go.wait()
        return await super().create(key, value)


async def test_over_http_the_one_too_many_is_asked_to_come_again() -> None:
    storage = SlowStorage()
    async with serving(storage, mutating_in_flight=4) as api:
        binding = {
            "metadata": {"name": "busy"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": "busy"}],
        }
        await api.make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        storage.go.clear()
        async with api.client(api.authority.client("busy", [], SystemEnv().now())) as busy:
            body = {"metadata": {"generateName": "m-"}}
            posts = [asyncio.ensure_future(busy.post(f"{DEFAULT}/configmaps", json=body)) for _ in range(3)]
            refused = await next(asyncio.as_completed(posts))
            assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
            assert refused.json()["reason"] == "TooManyRequests"
            assert refused.json()["details"]["retryAfterSeconds"] == 1
            text = (await api.get("/metrics")).text
            assert 'apiserver_current_inflight_requests{request_kind="mutating"} 2' in text
            assert "podling_rejected_requests_total 1" in text
            storage.go.set()
            assert sorted(answer.status_code for answer in await asyncio.gather(*posts)) == [201, 201, 429]


@pytest.mark.parametrize(("size", "code"), [(1_400_000, 201), (1_600_000, 413)])
async def test_an_object_may_be_as_large_as_etcd_would_keep(size: int, code: int) -> None:
    async with serving() as api:
        answer = await api.http.post(f"{DEFAULT}/podtemplates", json=template(size))
        assert answer.status_code == code
        if code == 413:
            assert answer.json()["message"] == "etcdserver: request is too large"


def template(size: int) -> dict[str, Any]:
    environment = [{"name": f"E{number}", "value": "x" * 1000} for number in range(size // 1000)]
    container = {"name": "c", "image": "i", "env": environment}
    return {"metadata": {"name": "large"}, "template": {"spec": {"containers": [container]}}}
