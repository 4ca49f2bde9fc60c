"""Issue 4: custom resources cost what built-ins cost, rules and all."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from podling.apiserver.message import Request, Response, User
from tests.apiserver.customresources.crontabs import CRONTABS, GROUP, defined, definition, version
from tests.apiserver.serving import Api, serving

pytestmark = pytest.mark.timed

ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))
DATA = {f"key-{index}": "x" * 165 for index in range(5)}
BOUND = 1.5
ROUNDS = 3
Json = dict[str, Any]


class Nowhere:
    """A client that takes everything at once."""

    backlog = 0

    async def write(self, data: bytes, patience: float | None = None) -> None:
        """Gone."""


class Side:
    """One of the two kinds: the same 1 KiB in each object."""

    def __init__(self, api: Api, base: str, head: Json, content: Json) -> None:
        self._api, self._base, self._head, self._content = api, base, head, content

    async def call(self, method: str, path: str = "", body: bytes = b"") -> None:
        headers = {"content-type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        request = Request(method, self._base + path, (), headers, body, certificate_user=ADMIN)
        outcome = await self._api.server.handle(request)
        if isinstance(outcome, Response):
            assert outcome.status < 300, outcome.body
        else:
            await outcome.run(Nowhere())  # type: ignore[union-attr]

    async def create(self, name: str) -> None:
        await self.call("POST", "", json.dumps({**self._head, "metadata": {"name": name}, **self._content}).encode())

    async def costs(self, number: int) -> dict[str, float]:
        """Processor time in microseconds an operation."""
        body = [json.dumps({"metadata": {"labels": {"a": str(each)}}}).encode() for each in range(300)]
        return {
            "create": await _spent(300, lambda i: self.create(f"o{number}-{i}")),
            "GET": await _spent(300, lambda i: self.call("GET", f"/o{number}-{i}")),
            "LIST": await _spent(10, lambda _: self.call("GET")),
            "merge patch": await _spent(300, lambda i: self.call("PATCH", f"/o{number}-{i}", body[i])),
            "delete": await _spent(300, lambda i: self.call("DELETE", f"/o{number}-{i}")),
        }


async def _spent(times: int, act: Callable[[int], Awaitable[None]]) -> float:
    began = time.process_time()
    for index in range(times):
        await act(index)
    return (time.process_time() - began) / times * 1e6


def ruled() -> Json:
    data = {"type": "object", "maxProperties": 50, "additionalProperties": {"type": "string", "maxLength": 1000}}
    rules = [{"rule": "self.data.size() < 20"}, {"rule": "!has(self.color) || self.color in ['red', 'green']"}]
    spec = {"type": "object", "properties": {"data": data, "color": {"type": "string", "maxLength": 10}}}
    schema = {"type": "object", "properties": {"spec": {**spec, "x-kubernetes-validations": rules}}}
    return definition(version(schema={"openAPIV3Schema": schema}, additionalPrinterColumns=[], selectableFields=[]))


async def test_custom_resources_cost_like_built_ins(show: Callable[[str, object, object], None]) -> None:
    async with serving() as api:
        await defined(api, ruled())
        head = {"apiVersion": f"{GROUP}/v1", "kind": "CronTab"}
        custom = Side(api, CRONTABS, head, {"spec": {"data": DATA}})
        base = "/api/v1/namespaces/default/configmaps"
        builtin = Side(api, base, {"apiVersion": "v1", "kind": "ConfigMap"}, {"data": DATA})
        ours, theirs = {}, {}
        for number in range(ROUNDS):
            for side, least in ((builtin, theirs), (custom, ours)):
                for name, cost in (await side.costs(number)).items():
                    least[name] = min(cost, least.get(name, cost))
    ratios = {name: round(ours[name] / theirs[name], 2) for name in ours}
    show("custom resources cost like built-ins, with two rules (processor time, as a share)", ratios, f"≤ {BOUND}")
    assert max(ratios.values()) <= BOUND, (ours, theirs)
