"""Every served resource in every version: made, read in each form, changed, deleted, by what the facts say of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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
STORED = [entry for entry in Catalog.load("book").resources if entry.stored and "create" in entry.verbs]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PROTOBUF = "application/vnd.kubernetes.protobuf"
APPLY = "application/apply-patch+yaml"
KINDS_OF_PATCH = {"PATCH": "application/merge-patch+json"}
SCHEMAS = load()
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
# Not made by hand in a test of this shape.
LACKING = {"PodCertificateRequest"}


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
            collected = Collected()
            await outcome.run(collected)
            return bytes(collected.data)
        assert isinstance(outcome, Response)
        raw = outcome.body if isinstance(outcome.body, bytes) else b"".join(outcome.body)
        assert outcome.status < 300, f"{method} {path}: {raw.decode(errors='replace')}"
        return raw


class Collected:
    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes, patience: float | None = None) -> None:
        self.data += data

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
    made = entry.from_hub(objects.base(entry.kind))
    return {**made, "apiVersion": entry.api_version}


async def test_every_resource_is_made_read_changed_and_deleted_in_every_version() -> None:
    wrong: list[str] = []
    async with running() as server:
        await server.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        for entry in STORED:
            if entry.kind in LACKING:
                continue
            try:
                await a_life(server, entry)
            except (AssertionError, ApiError, KeyError) as error:
                wrong.append(f"{entry.api_version} {entry.kind}: {error}")
    assert not wrong, "\n".join(wrong)


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
    for sub in ("status", "approval"):
        if sub in entry.subresources:
            status = await server.ask("GET", f"{here}/{sub}")
            assert status == patched
            assert await server.ask("PUT", f"{here}/{sub}", status) == status
    if "scale" in entry.subresources:
        scale = await server.ask("GET", f"{here}/scale")
        assert scale["kind"] == "Scale" and scale["metadata"]["uid"] == made["metadata"]["uid"]
    await server.ask("DELETE", here, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    await gone(server, entry, here)


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
    (item,) = [each for each in plain["items"] if each["metadata"]["name"] == name]
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
    selected = await server.ask("GET", home, fieldSelector=f"metadata.name={name}")
    assert [each["metadata"]["name"] for each in selected["items"]] == [name]
