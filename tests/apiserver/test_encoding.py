"""Clients that take no JSON: protobuf as client-go decodes it, YAML; and gzip for those elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from typing import Any

import yaml

from podling.api.schema import decode_protobuf, load
from podling.api.schema.framing import fields
from podling.apiserver.message import Request, Response, Stream
from podling.apiserver.registry.bootstrap import SERVER
from tests.apiserver.serving import DEFAULT, Api, serving

SCHEMAS = load()
CONFIG_MAPS = f"{DEFAULT}/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"


async def test_an_object_and_a_list_in_protobuf_say_what_they_say_in_json() -> None:
    async with serving() as api:
        for number in range(20):
            await api.config_map(f"m{number:02}")
        plain = (await api.get(f"{CONFIG_MAPS}/m01")).json()
        answer = await api.get(f"{CONFIG_MAPS}/m01", PROTOBUF)
        assert answer.headers["content-type"] == PROTOBUF
        api_version, kind, read = decode_protobuf(answer.content, SCHEMAS)
        assert (api_version, kind, read) == ("v1", "ConfigMap", plain)
        listed = await api.get(CONFIG_MAPS, PROTOBUF)
        _, kind, read = decode_protobuf(listed.content, SCHEMAS)
        assert kind == "ConfigMapList" and [item["metadata"]["name"] for item in read["items"]][1] == "m01"
        assert len(read["items"]) == 20 and read["items"][1] == without_type(plain)


def without_type(obj: dict[str, Any]) -> dict[str, Any]:
    """Items of a list do not repeat what the list says."""
    return {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}


async def test_an_error_in_protobuf_is_a_status() -> None:
    async with serving() as api:
        answer = await api.get(f"{CONFIG_MAPS}/none", PROTOBUF)
        assert answer.status_code == 404
        _, kind, read = decode_protobuf(answer.content, SCHEMAS)
        assert (kind, read["reason"], read["code"]) == ("Status", "NotFound", 404)


async def test_a_watch_in_protobuf_is_framed_events() -> None:
    async with serving() as api:
        await api.config_map("one")
        path = f"{CONFIG_MAPS}?watch=true&timeoutSeconds=1"
        answer = await api.http.get(path, headers={"accept": f"{PROTOBUF};stream=watch"}, timeout=10)
        assert answer.headers["content-type"] == f"{PROTOBUF};stream=watch"
        length = int.from_bytes(answer.content[:4], "big")
        told = {number: value for number, _, value in fields(answer.content[4 : 4 + length])}
        assert bytes(told[1]) == b"ADDED"
        ((_, _, raw),) = list(fields(told[2]))  # type: ignore[arg-type]
        _, kind, read = decode_protobuf(bytes(raw), SCHEMAS)
        assert (kind, read["metadata"]["name"]) == ("ConfigMap", "one")


async def test_metadata_alone_in_protobuf_for_informers_of_metadata() -> None:
    async with serving() as api:
        await api.config_map("one")
        answer = await api.get(CONFIG_MAPS, f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        api_version, kind, read = decode_protobuf(answer.content, SCHEMAS)
        assert (api_version, kind) == ("meta.k8s.io/v1", "PartialObjectMetadataList")
        assert read["items"][0]["metadata"]["name"] == "one" and "data" not in read["items"][0]


async def test_a_table_has_no_protobuf_and_neither_has_a_custom_resource() -> None:
    async with serving() as api:
        answer = await api.get(CONFIG_MAPS, f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1")
        assert answer.status_code == 406


async def test_yaml_is_given_to_those_who_ask_for_it() -> None:
    async with serving() as api:
        await api.config_map("one")
        plain = (await api.get(f"{CONFIG_MAPS}/one")).json()
        answer = await api.get(f"{CONFIG_MAPS}/one", "application/yaml")
        assert (
            answer.headers["content-type"] == "application/yaml"
            and yaml.safe_load(answer.text)["data"] == plain["data"]
        )
        assert (await api.get(CONFIG_MAPS, "application/yaml", watch="true")).status_code == 406


class Taken:
    def __init__(self) -> None:
        self.data = bytearray()

    async def write(self, data: bytes, patience: float | None = None) -> None:
        self.data += data

    @property
    def backlog(self) -> int:
        return 0


async def asked(api: Api, peer: str, path: str) -> tuple[Sequence[tuple[str, str]], bytes]:
    headers = {"accept": "application/json", "accept-encoding": "gzip"}
    request = Request("GET", path, [], headers, peer=peer)
    request.user = request.certificate_user = SERVER
    outcome = await api.server.handle(request)
    if isinstance(outcome, Stream):
        taken = Taken()
        await outcome.run(taken)
        return outcome.headers, bytes(taken.data)
    assert isinstance(outcome, Response)
    return outcome.headers, outcome.body if isinstance(outcome.body, bytes) else b"".join(outcome.body)


async def test_long_answers_are_compressed_for_clients_elsewhere_only() -> None:
    async with serving() as api:
        note = {"note": "x" * 2000}
        await asyncio.gather(*(api.config_map(f"m{number:03}", annotations=note) for number in range(100)))
        headers, plain = await asked(api, "127.0.0.1", CONFIG_MAPS)
        assert ("Content-Encoding", "gzip") not in headers and len(json.loads(plain)["items"]) == 100
        headers, packed = await asked(api, "172.31.0.2", CONFIG_MAPS)
        assert ("Content-Encoding", "gzip") in headers and gzip.decompress(packed) == plain
        headers, _ = await asked(api, "172.31.0.2", f"{CONFIG_MAPS}/m001")
        assert ("Content-Encoding", "gzip") not in headers
