"""One life of every resource over HTTPS, verb by verb, each held to what it has to do."""

from __future__ import annotations

from typing import Any

import httpx

from podling.api.catalog import Resource
from podling.apiserver.routing import target_of
from tests.api.kinds import objects
from tests.apiserver.everykind import newer_event
from tests.apiserver.serving import Api, Json, take
from tests.matrix.cells import Cell

NAMESPACE = "default"
ATTRIBUTES = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": NAMESPACE}}
REVIEWS: dict[str, Json] = {
    "SelfSubjectReview": {},
    "TokenReview": {"spec": {"token": "x"}},
    "SelfSubjectAccessReview": {"spec": ATTRIBUTES},
    "SelfSubjectRulesReview": {"spec": {"namespace": NAMESPACE}},
    "SubjectAccessReview": {"spec": {**ATTRIBUTES, "user": "jane"}},
    "LocalSubjectAccessReview": {"metadata": {"namespace": NAMESPACE}, "spec": {**ATTRIBUTES, "user": "jane"}},
}


class Matrix:
    """Calls that succeeded, by the cell they fill."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.tried: set[Cell] = set()
        api.http.event_hooks["response"].append(self._record)

    async def _record(self, answer: httpx.Response) -> None:
        request = answer.request
        query = tuple((key, value) for key, value in request.url.params.multi_items())
        target = target_of(request.method, request.url.path, query)
        if target is not None and answer.status_code < 300:
            version = f"{target.group}/{target.version}".lstrip("/")
            resource = f"{target.plural}/{target.subresource}".rstrip("/")
            self.tried.add(Cell(version, resource, target.verb))

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Json:
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = await self.api.http.request(
            method, path, json=body, params=query, headers={"content-type": media} if body is not None else {}
        )
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        found: Json = answer.json()
        return found


def home(entry: Resource) -> str:
    start = f"/apis/{entry.group}/{entry.version}" if entry.group else f"/api/{entry.version}"
    return f"{start}/namespaces/{NAMESPACE}/{entry.plural}" if entry.namespaced else f"{start}/{entry.plural}"


def example(entry: Resource) -> Json:
    made = {**entry.from_hub(objects.base(entry.kind)), "apiVersion": entry.api_version}
    made["metadata"].pop("namespace", None)
    return newer_event(made) if entry.api_version == "events.k8s.io/v1" else made


async def live(matrix: Matrix, entry: Resource) -> None:
    """Every verb of a resource that is kept."""
    body, path = example(entry), home(entry)
    name = body["metadata"]["name"]
    body["metadata"]["labels"] = {"matrix": "yes"}
    before = await matrix.ask("GET", path, labelSelector="matrix=yes")
    assert before["kind"] == f"{entry.kind}List" and before["items"] == []
    async with matrix.api.watching(path, resourceVersion=before["metadata"]["resourceVersion"]) as events:
        made = await matrix.ask("POST", path, body)
        assert (made["kind"], made["apiVersion"]) == (entry.kind, entry.api_version)
        (added,) = await take(events, 1)
        assert (added["type"], added["object"]["metadata"]["uid"]) == ("ADDED", made["metadata"]["uid"])
        assert added["object"]["apiVersion"] == entry.api_version
    assert written(await matrix.ask("GET", f"{path}/{name}")) == written(made)
    listed = await matrix.ask("GET", path, labelSelector="matrix=yes")
    assert [each["metadata"]["uid"] for each in listed["items"]] == [made["metadata"]["uid"]]
    patched = await matrix.ask("PATCH", f"{path}/{name}", {"metadata": {"annotations": {"a": "patched"}}})
    assert patched["metadata"]["annotations"]["a"] == "patched"
    updated = await update(matrix, f"{path}/{name}")
    assert updated["metadata"]["annotations"]["a"] == "updated"
    assert int(updated["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    for subresource in entry.subresources:
        if subresource in PARTS:
            await PARTS[subresource](matrix, entry, f"{path}/{name}")
    await matrix.ask("DELETE", f"{path}/{name}", {"gracePeriodSeconds": 0})
    await gone(matrix, entry, f"{path}/{name}")
    if "deletecollection" in entry.verbs:
        await matrix.ask("POST", path, body)
        await matrix.ask("DELETE", path, {"gracePeriodSeconds": 0}, labelSelector="matrix=yes")
        await gone(matrix, entry, f"{path}/{name}")


def written(body: Json) -> Json:
    """What the client wrote: the server itself may have told a status meanwhile."""
    own = ("resourceVersion", "managedFields")
    metadata = {key: value for key, value in body["metadata"].items() if key not in own}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": metadata}


async def update(matrix: Matrix, path: str) -> Json:
    """Read, changed and replaced; once more where the server wrote between."""
    while True:
        found = await matrix.ask("GET", path)
        found["metadata"]["annotations"]["a"] = "updated"
        answer = await matrix.api.http.put(path, json=found)
        if answer.status_code != 409:
            assert answer.status_code == 200, answer.text
            made: Json = answer.json()
            return made


async def gone(matrix: Matrix, entry: Resource, path: str) -> None:
    """It is no more, or waits only for those whose finalizer it carries."""
    answer = await matrix.api.http.get(path)
    if answer.status_code == 404:
        return
    left = answer.json()
    assert left["metadata"]["deletionTimestamp"], left
    if entry.kind == "Namespace":
        await matrix.ask("PUT", f"{path}/finalize", {**left, "spec": {"finalizers": []}})
    else:
        await matrix.ask("PATCH", path, {"metadata": {"finalizers": []}})
    assert (await matrix.api.http.get(path)).status_code == 404


async def whole(matrix: Matrix, entry: Resource, path: str, part: str) -> None:
    """A subresource whose body is the object: it is read, patched and replaced, and stays that object."""
    found = await matrix.ask("GET", f"{path}/{part}")
    patched = await matrix.ask("PATCH", f"{path}/{part}", {"metadata": {"uid": found["metadata"]["uid"]}})
    replaced = await matrix.ask("PUT", f"{path}/{part}", patched)
    assert found["metadata"]["uid"] == patched["metadata"]["uid"] == replaced["metadata"]["uid"]
    assert found["kind"] == replaced["kind"] == entry.kind


async def status(matrix: Matrix, entry: Resource, path: str) -> None:
    await whole(matrix, entry, path, "status")
    await matrix.ask("PATCH", f"{path}/status", {"spec": {"never": "seen"}, "metadata": {"labels": {"x": "y"}}})
    assert "never" not in (await matrix.ask("GET", path)).get("spec", {})


async def scale(matrix: Matrix, entry: Resource, path: str) -> None:
    found = await matrix.ask("GET", f"{path}/scale")
    assert found["kind"] == "Scale"
    found["spec"] = {"replicas": 5}
    assert (await matrix.ask("PUT", f"{path}/scale", found))["spec"]["replicas"] == 5
    await matrix.ask("PATCH", f"{path}/scale", {"spec": {"replicas": 6}})
    assert (await matrix.ask("GET", path))["spec"]["replicas"] == 6


async def approval(matrix: Matrix, entry: Resource, path: str) -> None:
    await whole(matrix, entry, path, "approval")


async def ephemeral(matrix: Matrix, entry: Resource, path: str) -> None:
    await whole(matrix, entry, path, "ephemeralcontainers")
    container = {"name": "debugger", "image": "busybox"}
    await matrix.ask("PATCH", f"{path}/ephemeralcontainers", {"spec": {"ephemeralContainers": [container]}})
    assert (await matrix.ask("GET", path))["spec"]["ephemeralContainers"][0]["name"] == "debugger"


async def resize(matrix: Matrix, entry: Resource, path: str) -> None:
    await whole(matrix, entry, path, "resize")


async def binding(matrix: Matrix, entry: Resource, path: str) -> None:
    await bound(matrix, path, f"{path}/binding")


async def bound(matrix: Matrix, path: str, through: str) -> None:
    name = path.rpartition("/")[2]
    target = {"apiVersion": "v1", "kind": "Node", "name": "other"}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
    assert (await matrix.ask("POST", through, body))["status"] == "Success"
    assert (await matrix.ask("GET", path))["spec"]["nodeName"] == "other"


async def eviction(matrix: Matrix, entry: Resource, path: str) -> None:
    pods = path.rpartition("/")[0]
    await matrix.ask("POST", pods, objects.base("Pod", **{"metadata.name": "evicted"}))
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "evicted"}}
    await matrix.ask("POST", f"{pods}/evicted/eviction", body)
    assert (await matrix.api.http.get(f"{pods}/evicted")).status_code == 404


async def token(matrix: Matrix, entry: Resource, path: str) -> None:
    made = await matrix.ask("POST", f"{path}/token", {"spec": {"expirationSeconds": 3600}})
    assert made["kind"] == "TokenRequest" and made["status"]["token"].count(".") == 2


async def finalize(matrix: Matrix, entry: Resource, path: str) -> None:
    found = await matrix.ask("GET", path)
    found["spec"]["finalizers"] = ["kubernetes", "example.com/mine"]
    made = await matrix.ask("PUT", f"{path}/finalize", found)
    assert made["spec"]["finalizers"] == ["kubernetes", "example.com/mine"]


async def rollback(matrix: Matrix, entry: Resource, path: str) -> None:
    """The way back is asked for; the template that is there has no predecessor, and stays."""
    before = (await matrix.ask("GET", path))["spec"]["template"]
    body = {"name": path.rpartition("/")[2], "rollbackTo": {"revision": 0}}
    answer = await matrix.ask("POST", f"{path}/rollback", body)
    assert (answer["kind"], answer["status"]) == ("Status", "Success")
    assert (await matrix.ask("GET", path))["spec"]["template"] == before


PARTS = {
    "status": status,
    "scale": scale,
    "approval": approval,
    "ephemeralcontainers": ephemeral,
    "resize": resize,
    "binding": binding,
    "eviction": eviction,
    "token": token,
    "finalize": finalize,
    "rollback": rollback,
}


async def review(matrix: Matrix, entry: Resource) -> None:
    """It is created, answered with a status, and forgotten."""
    answer = await matrix.ask("POST", home(entry), REVIEWS[entry.kind])
    assert (answer["kind"], answer["apiVersion"]) == (entry.kind, entry.api_version)
    assert answer["status"] is not None


async def prepare(matrix: Matrix) -> None:
    await matrix.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    await matrix.ask("POST", "/api/v1/nodes", {"metadata": {"name": "other"}})


async def special(matrix: Matrix, entry: Resource) -> None:
    """What is neither kept nor a review."""
    if entry.kind == "Binding":
        pods = "/api/v1/namespaces/default/pods"
        await matrix.ask("POST", pods, objects.base("Pod", **{"metadata.name": "bound"}))
        await bound(matrix, f"{pods}/bound", home(entry))
    if entry.kind == "ComponentStatus":
        found = await matrix.ask("GET", home(entry))
        assert found["kind"] == "ComponentStatusList"
        for each in found["items"]:
            one = await matrix.ask("GET", f"{home(entry)}/{each['metadata']['name']}")
            assert one["conditions"][0]["type"] == "Healthy"
