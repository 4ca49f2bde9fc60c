"""A client of the API over HTTPS that says in a line what a test does, and knows nothing but paths and JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

Json = dict[str, Any]
PATIENCE = 20.0
"""Seconds until what is waited for counts as missing; nothing takes a tenth of that on a calm machine."""


class Refused(Exception):
    """An answer that is no success, with the Status it carries."""

    def __init__(self, code: int, status: Json) -> None:
        super().__init__(f"{code} {status.get('reason')}: {status.get('message')}")
        self.code, self.status = code, status
        self.reason, self.message = str(status.get("reason", "")), str(status.get("message", ""))


class Kube:
    """One user's client; `http` carries the address and the credentials."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def at(self, resource: str, namespace: str = "") -> Resource:
        """`apps/v1/deployments` or `v1/pods`, in a namespace, in all of them, or in none."""
        version, _, plural = resource.rpartition("/")
        return Resource(self, version, plural, namespace)

    def call(self, method: str, path: str, body: Any = None, media: str = "application/json", **query: Any) -> Json:
        """One request whose answer is JSON. Raises Refused."""
        answer = self.raw(method, path, body, media, **query)
        found: Json = answer.json()
        if answer.status_code >= 400:
            raise Refused(answer.status_code, found)
        return found

    def raw(
        self, method: str, path: str, body: Any = None, media: str = "application/json", accept: str = "", **query: Any
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = ({"content-type": media} if content is not None else {}) | ({"accept": accept} if accept else {})
        return self.http.request(method, path, content=content, headers=headers, params=query)


class Resource:
    """One resource, in one namespace or cluster-wide."""

    def __init__(self, kube: Kube, version: str, plural: str, namespace: str) -> None:
        self.kube, self.version, self.plural, self.namespace = kube, version, plural, namespace
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        self.path = f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"

    def everywhere(self) -> Resource:
        return Resource(self.kube, self.version, self.plural, "")

    def create(self, body: Json, **query: Any) -> Json:
        return self.kube.call("POST", self.path, body, **query)

    def get(self, name: str, subresource: str = "", **query: Any) -> Json:
        return self.kube.call("GET", self._of(name, subresource), **query)

    def list(self, **query: Any) -> Json:
        return self.kube.call("GET", self.path, **query)

    def items(self, **query: Any) -> list[Json]:
        found: list[Json] = self.list(**query)["items"]
        return found

    def replace(self, body: Json, subresource: str = "", **query: Any) -> Json:
        return self.kube.call("PUT", self._of(body["metadata"]["name"], subresource), body, **query)

    def patch(self, name: str, body: Any, kind: str = "merge", subresource: str = "", **query: Any) -> Json:
        """`kind`: merge, strategic-merge, json."""
        return self.kube.call("PATCH", self._of(name, subresource), body, f"application/{kind}-patch+json", **query)

    def apply(self, body: Json, manager: str = "conformance", **query: Any) -> Json:
        path = self._of(body["metadata"]["name"], "")
        return self.kube.call("PATCH", path, body, "application/apply-patch+yaml", fieldManager=manager, **query)

    def delete(self, name: str, **options: Any) -> Json:
        """`options` are those of DeleteOptions."""
        return self.kube.call("DELETE", self._of(name, ""), options or None)

    def delete_all(self, **query: Any) -> Json:
        return self.kube.call("DELETE", self.path, **query)

    def change(self, name: str, change: Callable[[Json], Any], subresource: str = "") -> Json:
        """Read, change, replace; again where somebody else was faster."""
        while True:
            found = self.get(name)
            change(found)
            try:
                return self.replace(found, subresource)
            except Refused as refused:
                if refused.code != 409:
                    raise

    @contextmanager
    def watch(self, **query: Any) -> Iterator[Watch]:
        params = {"watch": "true", **query}
        with self.kube.http.stream("GET", self.path, params=params, timeout=PATIENCE) as answer:
            if answer.status_code >= 400:
                raise Refused(answer.status_code, json.loads(answer.read()))
            yield Watch(answer.iter_lines())

    def until(self, name: str, condition: Callable[[Json], Any], subresource: str = "") -> Json:
        """The object as soon as the condition holds for it."""
        seen: list[Json] = []

        def holds() -> bool:
            seen[:] = [self.get(name, subresource)]
            return bool(condition(seen[0]))

        eventually(holds, lambda: seen)
        return seen[0]

    def gone(self, name: str) -> None:
        """Waits until it is no more."""
        eventually(lambda: not self.items(fieldSelector=f"metadata.name={name}"), lambda: self.items())

    def settled(self, condition: Callable[[list[Json]], Any], **query: Any) -> list[Json]:
        """The list as soon as the condition holds for it."""
        seen: list[Json] = []

        def holds() -> bool:
            seen[:] = self.items(**query)
            return bool(condition(seen))

        eventually(holds, lambda: seen)
        return seen

    def _of(self, name: str, subresource: str) -> str:
        return f"{self.path}/{name}/{subresource}" if subresource else f"{self.path}/{name}"


class Watch:
    """Events as they come."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def next(self) -> tuple[str, Json]:
        """(type, object); a silence of PATIENCE seconds is an error."""
        event = json.loads(next(self._lines))
        return event["type"], event["object"]

    def until(self, kind: str, condition: Callable[[Json], Any] = lambda _: True) -> Json:
        """The object of the first event of this type for which the condition holds."""
        while True:
            found, body = self.next()
            if found == kind and condition(body):
                return body


def eventually(condition: Callable[[], Any], shown: Callable[[], Any] = lambda: "") -> None:
    """Asks again and again, a little less often each time; what is `shown` explains a failure."""
    deadline, pause = time.monotonic() + PATIENCE, 0.005
    while not condition():
        assert time.monotonic() < deadline, f"did not come: {shown()}"
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def names(items: list[Json]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def conditions(body: Json) -> dict[str, str]:
    """Type → status."""
    return {each["type"]: each["status"] for each in body.get("status", {}).get("conditions", [])}
