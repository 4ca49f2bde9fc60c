"""The transport over TLS against the real server's listeners."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import msgspec
import pytest

from podling.api.errors import AlreadyExists, Expired, Forbidden, NotFound, ServiceUnavailable, Unauthorized
from podling.api.kinds.core.pod import Pod
from podling.apiserver.tls import load_certificate
from podling.client.http1 import Address
from podling.client.https import HttpsTransport, client_context
from podling.client.informer import Informer
from podling.client.resources import CONFIGMAPS, PODS, SERVICEACCOUNTS
from podling.client.rest import Rest
from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor
from tests.client.servers import config_map, secured_server


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix socket"])
async def test_a_client_certificate_opens_both_listeners(tmp_path: Path, unix: bool) -> None:
    async with secured_server(tmp_path) as secured:
        rest = Rest(secured.client("kubernetes-admin", "system:masters", unix=unix))
        made = await rest.create(CONFIGMAPS, "default", config_map("x", a="1"))
        assert made.code == 201
        assert made.revision > 0
        assert (await rest.get(CONFIGMAPS, "default", "x")).object["data"] == {"a": "1"}


async def test_failures_come_as_the_exception_of_their_reason(tmp_path: Path) -> None:
    async with secured_server(tmp_path) as secured:
        rest = Rest(secured.client("kubernetes-admin", "system:masters"))
        await rest.create(CONFIGMAPS, "default", config_map("x"))
        with pytest.raises(AlreadyExists, match='configmaps "x" already exists'):
            await rest.create(CONFIGMAPS, "default", config_map("x"))
        with pytest.raises(NotFound, match='configmaps "y" not found'):
            await rest.get(CONFIGMAPS, "default", "y")


async def test_without_a_certificate_or_token_nothing_is_told(tmp_path: Path) -> None:
    async with secured_server(tmp_path) as secured:
        with pytest.raises((Unauthorized, Forbidden)):
            await Rest(secured.bearer("not a token")).get(CONFIGMAPS, "default", "x")


async def test_listed_objects_are_as_the_store_holds_them(tmp_path: Path) -> None:
    async with secured_server(tmp_path) as secured:
        transport = secured.client("kubernetes-admin", "system:masters")
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "x"}], "nodeName": "n1"},
        }
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await Rest(transport).create(SERVICEACCOUNTS, "default", account)
        made = await Rest(transport).create(PODS, "default", body)
        (remote,) = (await transport.list(PODS, namespace="default")).items
        (local,) = (await secured.server.transport("someone").list(PODS, namespace="default")).items
        assert remote.key == local.key == "core/pods/default/p"
        assert remote.revision == local.revision == made.revision
        assert remote.head.labels == local.head.labels == {"a": "b"}
        assert remote.head.fields["spec.nodeName"] == local.head.fields["spec.nodeName"] == "n1"
        assert isinstance(remote.view, Pod)
        assert remote.view == local.view
        assert remote.json() == made.object
        assert b'"resourceVersion":"%d"' % made.revision in remote.served()
        assert b"resourceVersion" not in remote.raw.replace(b'"managedFields"', b"")


async def test_selectors_are_sent(tmp_path: Path) -> None:
    async with secured_server(tmp_path) as secured:
        transport = secured.client("kubernetes-admin", "system:masters")
        rest = Rest(transport)
        for name in ("x", "y"):
            await rest.create(
                CONFIGMAPS, "default", config_map(name) | {"metadata": {"name": name, "labels": {"n": name}}}
            )
        listed = await transport.list(CONFIGMAPS, namespace="default", label_selector="n in (y)")
        assert [each.head.name for each in listed.items] == ["y"]
        named = await transport.list(CONFIGMAPS, namespace="default", field_selector="metadata.name=x")
        assert [each.head.name for each in named.items] == ["x"]


async def test_a_watch_brings_what_happens_after_its_revision(tmp_path: Path) -> None:
    async with secured_server(tmp_path) as secured:
        transport = secured.client("kubernetes-admin", "system:masters")
        rest = Rest(transport)
        before = await rest.create(CONFIGMAPS, "default", config_map("x", a="1"))
        await rest.patch(CONFIGMAPS, "default", "x", {"data": {"a": "2"}})
        deleted = False
        seen: list[tuple[str, object]] = []
        async with (
            asyncio.timeout(10),
            transport.watch(CONFIGMAPS, since=before.revision, namespace="default") as batches,
        ):
            async for batch in batches:
                seen += [(event.type, event.object.json().get("data")) for event in batch if event.type != "BOOKMARK"]
                if not deleted:
                    await rest.delete(CONFIGMAPS, "default", "x")
                    deleted = True
                if seen[-1:] and seen[-1][0] == "DELETED":
                    break
        assert seen == [("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})]


async def test_a_watch_whose_history_is_gone_says_expired(tmp_path: Path) -> None:
    storage = MemoryStorage()
    for number in range(3):
        value = msgspec.json.encode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"x{number}"}})
        await storage.create(f"core/configmaps/default/x{number}", value)
    await storage.compact(storage.revision)
    async with secured_server(tmp_path, storage) as secured:
        transport = secured.client("kubernetes-admin", "system:masters")
        with pytest.raises(Expired):
            async with asyncio.timeout(10), transport.watch(CONFIGMAPS, since=1) as batches:
                async for _ in batches:
                    pass


async def test_many_requests_at_once_share_the_pool(tmp_path: Path) -> None:
    async with secured_server(tmp_path) as secured:
        rest = Rest(secured.client("kubernetes-admin", "system:masters"))
        async with Supervisor() as tasks:
            for number in range(40):
                tasks.start(f"create {number}", rest.create(CONFIGMAPS, "default", config_map(f"x{number}")))
            await tasks.wait()
        assert len((await rest.transport.list(CONFIGMAPS, namespace="default")).items) == 40


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    authority = CertificateAuthority.create("test", 1_700_000_000.0)
    tls = client_context(authority.pair.certificate)
    transport = HttpsTransport(Address(path=str(tmp_path / "nothing.sock")), tls)
    with pytest.raises(ServiceUnavailable, match="cannot reach the API"):
        await transport.list(CONFIGMAPS)


async def test_a_kept_connection_that_the_server_closed_is_replaced_unseen(tmp_path: Path) -> None:
    async with secured_server(tmp_path) as secured:
        rest = Rest(secured.client("kubernetes-admin", "system:masters"))
        await rest.create(CONFIGMAPS, "default", config_map("x"))
        for connection in list(secured.server._connections):
            connection.shut()
        assert (await rest.get(CONFIGMAPS, "default", "x")).code == 200


async def test_a_write_whose_connection_dies_before_the_answer_is_lost_and_not_repeated(tmp_path: Path) -> None:
    authority = CertificateAuthority.create("test", SystemEnv().now())
    serving = authority.serving("podling", ("podling",), SystemEnv().now())
    received: list[bytes] = []

    async def answer_once_per_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The second request of a connection is read, and the server dies."""
        for turn in range(2):
            head = await reader.readuntil(b"\r\n\r\n")
            received.append(head.split()[0])
            if b"Content-Length: 2" in head:
                await reader.readexactly(2)
            if turn == 0:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.transport.abort()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_certificate(context, serving.certificate, serving.key)
    path = str(tmp_path / "dying.sock")
    async with await asyncio.start_unix_server(answer_once_per_connection, path, ssl=context):
        transport = HttpsTransport(Address(path=path), client_context(authority.pair.certificate))
        await transport.request("POST", "/x", body={})
        with pytest.raises(ServiceUnavailable, match="lost before the answer"):
            await transport.request("POST", "/x", body={})
        assert received == [b"POST", b"POST"]
        await transport.request("GET", "/x")
        await transport.request("GET", "/x")
        assert received[2:] == [b"GET", b"GET", b"GET"]
        transport.close()


@pytest.mark.parametrize("how", ["abort", "close"])
async def test_a_watch_survives_the_death_of_its_server_as_an_informer_and_goes_on(tmp_path: Path, how: str) -> None:
    """The connection may end with a reset or an end of file, in the middle of an event or between two."""
    authority = CertificateAuthority.create("test", SystemEnv().now())
    serving = authority.serving("podling", ("podling",), SystemEnv().now())
    watches = 0
    chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    listing = b'{"kind":"ConfigMapList","metadata":{"resourceVersion":"5"},"items":[]}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal watches
        while b"watch=true" not in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(listing) + listing)
        watches += 1
        event = _event_line(f"x{watches}", 5 + watches)
        cut = event if watches % 2 else event + event[:30]
        writer.write(chunked + b"%x\r\n%b\r\n" % (len(cut), cut))
        await writer.drain()
        if how == "abort":
            writer.transport.abort()
        else:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_certificate(context, serving.certificate, serving.key)
    path = str(tmp_path / "dying.sock")
    async with await asyncio.start_unix_server(serve, path, ssl=context), Supervisor() as tasks, asyncio.timeout(20):
        transport = HttpsTransport(Address(path=path), client_context(authority.pair.certificate))
        informer = Informer(transport, CONFIGMAPS, SystemEnv())
        tasks.start("informer", informer.run())
        await informer.wait_until(lambda: len(informer.list()) >= 4)
        transport.close()


def _event_line(name: str, revision: int) -> bytes:
    metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(revision)}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    return msgspec.json.encode({"type": "ADDED", "object": body}) + b"\n"
