"""The life of an object of every served resource in every version: made, read in each form, changed, deleted.

The lives are made from the facts and from one small valid object a kind (`tests/api/kinds/cases/bases.yaml`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from podling.api.catalog import Catalog, Resource
from podling.api.errors import ApiError
from podling.api.schema import check, decode_protobuf, load
from podling.apiserver.config import Config
from podling.apiserver.message import Request, Response, Stream
from podling.apiserver.registry.bootstrap import SERVER
from podling.apiserver.server import ApiServer
from podling.env import SystemEnv
from podling.pki.ca import new_signing_key
from podling.storage.memory import MemoryStorage
from tests.api.kinds import objects
from tests.api.schema.test_every_type import without_empty
from tests.apiserver.serving import NoNodes

Json = dict[str, Any]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
APPLY = "application/apply-patch+yaml"
DEFAULT = "/api/v1/namespaces/default"
_PODS = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}
REVIEWS: dict[str, dict[str, Json]] = {
    "tokenreviews": {"TokenReview": {"token": "x"}},
    "selfsubjectreviews": {"SelfSubjectReview": {}},
    "subjectaccessreviews": {"SubjectAccessReview": {"user": "alice", **_PODS}},
    "localsubjectaccessreviews": {"LocalSubjectAccessReview": {"user": "alice", **_PODS}},
    "selfsubjectaccessreviews": {"SelfSubjectAccessReview": _PODS},
    "selfsubjectrulesreviews": {"SelfSubjectRulesReview": {"namespace": "default"}},
}
KINDS_OF_PATCH = {"PATCH": "application/merge-patch+json"}
SCHEMAS = load()
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
ALL = Catalog.load("book").resources
"""Of all that is served; what has no `watch` is answered and not kept."""


class Server:
    """Requests past all filters, without a socket."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.warnings: Sequence[str] = ()

    async def ask(
        self, method: str, path: str, body: Json | None = None, *, accept: str = "application/json", **query: str
    ) -> Json:
        """The answer, which has to be a success."""
        answer: Json = json.loads(await self.raw(method, path, body, accept=accept, **query))
        return answer

    async def raw(
        self, method: str, path: str, body: Json | None = None, *, accept: str = "application/json", **query: str
    ) -> bytes:
        data = b"" if body is None else json.dumps(body).encode()
        kind = KINDS_OF_PATCH.get(method, "application/json") if "fieldManager" not in query else APPLY
        headers = {"content-type": kind, "accept": accept}
        request = Request(method, path, [*query.items()], headers, data, in_process=True)
        request.user = SERVER
        outcome = await self._server.handle(request)
        self.warnings = request.warnings
        if isinstance(outcome, Stream):
            collected = Collected(endless="watch" in query)
            with suppress(Enough):
                await outcome.run(collected)
            raw = bytes(collected.data)
        else:
            assert isinstance(outcome, Response)
            raw = outcome.body if isinstance(outcome.body, bytes) else b"".join(outcome.body)
            assert outcome.status < 300, f"{method} {path}: {raw.decode(errors='replace')}"
        return raw


class Enough(Exception):
    """The first events of a watch have come."""


class Collected:
    def __init__(self, *, endless: bool) -> None:
        self.data = bytearray()
        self._endless = endless

    async def write(self, data: bytes, patience: float | None = None) -> None:
        self.data += data
        if self._endless:
            raise Enough

    @property
    def backlog(self) -> int:
        return 0


@asynccontextmanager
async def running() -> AsyncIterator[Server]:
    config = Config(tcp=(), token_key=new_signing_key(), profile="book")
    server = ApiServer(config, MemoryStorage(), SystemEnv(), NoNodes())
    await server.start()
    try:
        yield Server(server)
    finally:
        await server.stop()


def path_of(entry: Resource, namespace: str) -> str:
    start = f"/apis/{entry.group}/{entry.version}" if entry.group else f"/api/{entry.version}"
    return f"{start}/namespaces/{namespace}/{entry.plural}" if entry.namespaced else f"{start}/{entry.plural}"


def example(entry: Resource) -> Json:
    """A small valid object in this version."""
    made = {**entry.from_hub(objects.base(entry.kind)), "apiVersion": entry.api_version}
    return newer_event(made) if entry.api_version == "events.k8s.io/v1" else made


def newer_event(event: Json) -> Json:
    """As its recorders write one: with the time of the event, and without what other versions said."""
    kept = {name: value for name, value in event.items() if not name.startswith("deprecated")}
    now = "2026-11-23T12:00:00.000000Z"
    return {**kept, "eventTime": now, "action": "Pull", "reportingController": "a.b/c", "reportingInstance": "c-1"}


async def a_life(server: Server, entry: Resource) -> None:
    obj = example(entry)
    home = path_of(entry, obj["metadata"].get("namespace", ""))
    name = obj["metadata"]["name"]
    here = f"{home}/{name}"
    if "create" in entry.verbs and entry.kind != "Namespace":
        dry = await server.ask("POST", home, obj, dryRun="All")
        assert dry["metadata"]["name"] == name
    made = await server.ask("POST", home, obj)
    if entry.deprecated:
        assert entry.deprecated in server.warnings
    assert (made["apiVersion"], made["kind"]) == (entry.api_version, entry.kind)
    got = await server.ask("GET", here)
    assert got == made, f"what was made is what is read: {entry.api_version} {entry.kind}"
    await the_forms(server, entry, home, here)
    patched = await server.ask("PATCH", here, {"metadata": {"labels": {"seen": "yes"}}})
    assert patched["metadata"]["labels"]["seen"] == "yes"
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    again = await server.ask("PUT", here, patched)
    assert again == patched, "a write that changes nothing is none"
    applied = {**example(entry), "metadata": {"name": name, "labels": {"applied": "yes"}}}
    mine = await server.ask("PATCH", here, applied, fieldManager="test", force="true")
    assert mine["metadata"]["labels"] == {"applied": "yes", "seen": "yes"} | (made["metadata"].get("labels") or {})
    (owned,) = [each for each in mine["metadata"]["managedFields"] if each["manager"] == "test"]
    assert (owned["operation"], owned["apiVersion"]) == ("Apply", entry.api_version)
    patched = await server.ask("GET", here)
    for sub in ("status", "approval", "ephemeralcontainers", "resize"):
        if sub in entry.subresources:
            status = await server.ask("GET", f"{here}/{sub}")
            assert status == patched
            assert await server.ask("PUT", f"{here}/{sub}", status) == status
            assert await server.ask("PATCH", f"{here}/{sub}", {"metadata": {}}) == status
    if "scale" in entry.subresources:
        await the_scale(server, here, made)
    await server.ask("DELETE", here, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    await gone(server, entry, here)
    if "deletecollection" in entry.verbs:
        await server.ask("POST", home, obj)
        await server.ask("DELETE", home, {"propagationPolicy": "Background"}, fieldSelector=f"metadata.name={name}")
        await gone(server, entry, here)


async def the_scale(server: Server, here: str, made: Json) -> None:
    scale = await server.ask("GET", f"{here}/scale")
    assert scale["kind"] == "Scale" and scale["metadata"]["uid"] == made["metadata"]["uid"]
    scaled = await server.ask("PUT", f"{here}/scale", {**scale, "spec": {"replicas": 2}})
    assert scaled["spec"] == {"replicas": 2}
    again = await server.ask("PATCH", f"{here}/scale", {"spec": {"replicas": 3}})
    assert again["spec"] == {"replicas": 3} and (await server.ask("GET", here))["spec"]["replicas"] == 3


async def answered_only(server: Server) -> None:
    """What is asked and answered and not kept, and what is done to Pods, accounts and old Deployments."""
    for entry in ALL:
        if entry.plural in REVIEWS and entry.kind in REVIEWS[entry.plural]:
            body = {"apiVersion": entry.api_version, "kind": entry.kind, "spec": REVIEWS[entry.plural][entry.kind]}
            review = await server.ask("POST", path_of(entry, "default"), body)
            assert review["kind"] == entry.kind and "status" in review
    listed = await server.ask("GET", "/api/v1/componentstatuses")
    assert [each["metadata"]["name"] for each in listed["items"]] == ["controller-manager", "scheduler", "etcd-0"]
    etcd = await server.ask("GET", "/api/v1/componentstatuses/etcd-0", accept=TABLE)
    assert etcd["rows"][0]["cells"] == ["etcd-0", "Healthy", "ok", ""]
    token = await server.ask("POST", f"{DEFAULT}/serviceaccounts/default/token", {"spec": {}})
    assert token["status"]["token"]
    target = {"target": {"kind": "Node", "name": "n"}}
    for name, path in (("one", "pods/one/binding"), ("two", "bindings")):
        await server.ask("POST", f"{DEFAULT}/pods", {**objects.base("Pod"), "metadata": {"name": name}})
        await server.ask("POST", f"{DEFAULT}/{path}", {"metadata": {"name": name}, **target})
        assert (await server.ask("GET", f"{DEFAULT}/pods/{name}"))["spec"]["nodeName"] == "n"
    await server.ask("POST", f"{DEFAULT}/pods/one/eviction", {"metadata": {"name": "one"}})
    assert (await server.ask("GET", f"{DEFAULT}/pods/one"))["metadata"]["deletionTimestamp"]
    for entry in ALL:
        if "rollback" in entry.subresources:
            await the_way_back(server, entry)


async def the_way_back(server: Server, entry: Resource) -> None:
    """A Deployment whose first ReplicaSet had another image."""
    home, sets = path_of(entry, "default"), "/apis/apps/v1/namespaces/default/replicasets"
    made = await server.ask("POST", home, example(entry))
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "controller": True}
    owner |= {"name": "web", "uid": made["metadata"]["uid"]}
    for number, image in (("1", "nginx:old"), ("2", "nginx")):
        body = objects.base("ReplicaSet", **{"spec.template.spec.containers.0.image": image})
        marks = {"deployment.kubernetes.io/revision": number}
        body["metadata"] |= {"name": f"web-{number}", "annotations": marks, "ownerReferences": [owner]}
        await server.ask("POST", sets, body)
    kind = {"apiVersion": entry.api_version, "kind": "DeploymentRollback", "name": "web", "rollbackTo": {}}
    await server.ask("POST", f"{home}/web/rollback", kind)
    found = await server.ask("GET", f"{home}/web")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:old"
    events = await server.ask("GET", f"{DEFAULT}/events", fieldSelector="reason=DeploymentRollback")
    assert events["items"][-1]["message"] == 'Rolled back deployment "web" to revision 1'
    await server.ask("DELETE", sets)
    await server.ask("DELETE", f"{home}/web", {"propagationPolicy": "Background"})


async def everything() -> list[str]:
    """All lives on one server: what went wrong."""
    wrong: list[str] = []
    async with running() as server:
        await server.ask("POST", f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "default"}})
        for entry in ALL:
            if "create" not in entry.verbs or not entry.stored:
                continue
            try:
                await a_life(server, entry)
            except (AssertionError, ApiError, KeyError) as error:
                wrong.append(f"{entry.api_version} {entry.kind}: {error}")
        if not wrong:
            await answered_only(server)
        return wrong


async def gone(server: Server, entry: Resource, here: str) -> None:
    """Finalizers that the server puts on are taken off as their controllers would."""
    try:
        left = await server.ask("GET", here)
    except AssertionError as error:
        assert "not found" in str(error)
        return
    assert left["metadata"].get("deletionTimestamp"), f"{here} is still there"
    if entry.kind == "Namespace":
        await server.ask("PUT", f"{here}/finalize", {**left, "spec": {"finalizers": []}})
    elif left["metadata"].get("finalizers"):
        await server.ask("PATCH", here, {"metadata": {"finalizers": []}})


async def the_forms(server: Server, entry: Resource, home: str, here: str) -> None:
    name = here.rpartition("/")[2]
    plain = await server.ask("GET", home)
    assert (plain["kind"], plain["apiVersion"]) == (f"{entry.kind}List", entry.api_version)
    (listed,) = [each for each in plain["items"] if each["metadata"]["name"] == name]
    item = {"kind": entry.kind, "apiVersion": entry.api_version, **listed}
    assert item == await server.ask("GET", here)
    table = await server.ask("GET", home, accept=TABLE, includeObject="Object")
    widths = {len(row["cells"]) for row in table["rows"]}
    assert table["kind"] == "Table" and widths == {len(table["columnDefinitions"])}
    assert item in [{**row["object"]} for row in table["rows"]]
    one = await server.ask("GET", here, accept=TABLE)
    assert one["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    partial = await server.ask("GET", here, accept=PARTIAL)
    assert partial["kind"] == "PartialObjectMetadata" and partial["metadata"]["name"] == name
    assert set(partial) == {"kind", "apiVersion", "metadata"}
    partials = await server.ask("GET", home, accept=PARTIAL_LIST)
    assert partials["kind"] == "PartialObjectMetadataList"
    assert name in [each["metadata"]["name"] for each in partials["items"]]
    _, kind, read = decode_protobuf(await server.raw("GET", here, accept=PROTOBUF), SCHEMAS)
    type_ = SCHEMAS.kind(entry.group, entry.version, entry.kind)
    assert type_ is not None and kind == entry.kind
    assert without_empty(check(read, type_).value) == without_empty(check(item, type_).value)
    first = (await server.raw("GET", home, watch="true")).splitlines()[0]
    event = json.loads(first)
    assert (event["type"], event["object"]["kind"]) == ("ADDED", entry.kind)
    selected = await server.ask("GET", home, fieldSelector=f"metadata.name={name}")
    assert [each["metadata"]["name"] for each in selected["items"]] == [name]
