"""proxy of Pods, Services and Nodes: HTTP through the API server, as it came."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from podling.wire.websocket import Close, Message
from tests.apiserver.streams.talk import talk
from tests.apiserver.streams.world import World, world

PODS = "/api/v1/namespaces/default/pods"
SERVICES = "/api/v1/namespaces/default/services"


async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with what it was asked; a few paths are special."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    path = first.split(" ")[1]
    if path == "/chunks":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
    elif path == "/until-close":
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/x-old\r\n\r\nold style")
    elif path == "/large":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
    elif path == "/broken":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 100_000)
    elif path == "/cut":
        pass
    elif path == "/teapot":
        writer.write(b"HTTP/1.1 418 I'm a teapot\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nno")
    elif path == "/page":
        page = b'<a href="/next">next</a>'
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nAccess-Control-Allow-Origin: *\r\n")
        writer.write(b"Content-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
    elif headers.get("upgrade") == "websocket":
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x82\x02hi"
        )
        writer.write(b"\x82\x04" + (await reader.readexactly(10))[6:] + b"\x88\x02\x03\xe8")
    else:
        said = msgspec.json.encode({"line": first, "headers": headers, "body": body.decode()})
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said) + said
        )
    await writer.drain()
    writer.close()


@asynccontextmanager
async def serving(here: World, context: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """The site is what Pod ports 80 and 8080 lead to; nobody listens on 81."""
    async with await asyncio.start_server(site, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        silent = await asyncio.start_server(site, "127.0.0.1", 0)
        here.node.ports = {80: port, 443: port, 8080: port, 10250: port, 81: silent.sockets[0].getsockname()[1]}
        silent.close()
        await silent.wait_closed()
        yield


async def service(here: World, *ready: bool, named: str = "web") -> None:
    """A Service with a named and a nameless kind of slice."""
    api = here.server.transport("test", ["system:masters"])
    ports = [{"name": "http", "port": 8000, "targetPort": 8080}]
    made: dict[str, Any] = {"metadata": {"name": named}, "spec": {"ports": ports}}
    await api.request("POST", SERVICES, body=made)
    endpoints = [
        {"addresses": [f"10.244.0.{i}"], "conditions": {"ready": each}, "nodeName": f"n{i}"}
        for i, each in enumerate(ready, 1)
    ]
    slice = {
        "metadata": {"name": f"{named}-abc", "labels": {"kubernetes.io/service-name": named}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
    await api.request("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", body=slice)


async def test_a_request_arrives_as_it_was_made_without_our_credentials(tmp_path: Path) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        line = f"POST {PODS}/web:8080/proxy/a%2Fb/c?x=1&y=%20 HTTP/1.1"
        api = here.server.transport("test", ["system:masters"])
        asked = await api.request("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", body={"spec": {}})
        token = asked.object["status"]["token"]
        headers = (
            f"Authorization: Bearer {token}\r\nX-Mine: yes\r\nContent-Type: text/x\r\nX-Forwarded-For: 1.2.3.4\r\n"
        )
        answer = await here.http(line, headers, b"the body")
        said = answer.json()
        assert said["line"] == "POST /a%2Fb/c?x=1&y=%20 HTTP/1.1"
        assert said["body"] == "the body"
        assert said["headers"] == {
            "host": "10.244.0.9:8080",
            "x-mine": "yes",
            "content-type": "text/x",
            "x-forwarded-for": "1.2.3.4, 127.0.0.1",
            "x-forwarded-uri": f"{PODS}/web:8080/proxy/a/b/c",
            "content-length": "8",
            "connection": "close",
        }
        assert here.node.asked == [{"node": "n1", "address": "10.244.0.9", "port": 8080}]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_goes_through(tmp_path: Path, method: str) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        answer = await here.http(f"{method} {PODS}/web/proxy/x HTTP/1.1")
        assert answer.json()["line"] == f"{method} /x HTTP/1.1"
        assert here.node.asked[0]["port"] == 80


@pytest.mark.parametrize(
    ("path", "code", "body", "kind"),
    [
        ("chunks", 200, b"hello world", ""),
        ("until-close", 200, b"old style", "text/x-old"),
        ("large", 200, b"x" * 300_000, ""),
        ("teapot", 418, b"no", ""),
    ],
)
async def test_answers_come_back_whole(tmp_path: Path, path: str, code: int, body: bytes, kind: str) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        answer = await here.http(f"GET {PODS}/web/proxy/{path} HTTP/1.1")
        assert (answer.code, answer.body, answer.headers.get("content-type", "")) == (code, body, kind)


async def test_an_answer_that_breaks_off_is_not_taken_for_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        answer = await here.http(f"GET {PODS}/web/proxy/broken HTTP/1.1")
        assert (len(answer.body), answer.complete) == (100_000, False)


@pytest.mark.parametrize(("path", "why"), [("web:81/proxy/", "connect: connection refused"), ("web/proxy/cut", "EOF")])
async def test_nobody_there_is_503_with_the_reason(tmp_path: Path, path: str, why: str) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        answer = await here.http(f"GET {PODS}/{path} HTTP/1.1")
        message = answer.json()["message"]
        assert answer.code == 503
        assert message.startswith("error trying to reach service: ") and message.endswith(why)


async def test_a_path_without_its_slash_is_redirected(tmp_path: Path) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        answer = await here.http(f"GET {PODS}/web/proxy?a=b HTTP/1.1")
        assert (answer.code, answer.headers["location"]) == (301, f"{PODS}/web/proxy/?a=b")


async def test_an_answer_without_its_body_tells_its_length(tmp_path: Path) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        whole = await here.http(f"GET {PODS}/web/proxy/page HTTP/1.1")
        answer = await here.http(f"HEAD {PODS}/web/proxy/page HTTP/1.1")
        assert (answer.code, answer.body) == (302, b"")
        assert int(answer.headers["content-length"]) == len('<a href="/next">next</a>') < len(whole.body)
        answer = await here.http(f"HEAD {PODS}/web/proxy/large HTTP/1.1")
        assert (answer.code, answer.body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_what_is_no_reading_goes_to_the_root_without_a_redirect(tmp_path: Path, method: str) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        answer = await here.http(f"{method} {PODS}/web/proxy?a=b HTTP/1.1")
        assert (answer.code, answer.json()["line"]) == (200, f"{method} /?a=b HTTP/1.1")


async def test_links_and_redirects_of_a_site_lead_through_the_proxy_again(tmp_path: Path) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        answer = await here.http(f"GET {PODS}/web/proxy/page HTTP/1.1")
        assert answer.code == 302
        assert answer.headers["location"] == f"{PODS}/web/proxy/login"
        assert answer.body == f'<a href="{PODS}/web/proxy/next">next</a>'.encode()
        assert "access-control-allow-origin" not in answer.headers


async def test_upgrades_are_passed_through(tmp_path: Path) -> None:
    async with world(tmp_path) as here, serving(here):
        await here.pod("web")
        client = await talk(here, f"{PODS}/web/proxy/socket", "")
        assert await client.hear() == Message(b"hi")
        await client.send(client.socket.message(b"\x00\x00\x00\x00"))
        assert await client.hear() == Message(b"mask")
        assert await client.hear() == Close(1000, "")


async def test_https_behind_the_proxy_is_spoken_to_without_asking_for_its_papers(tmp_path: Path) -> None:
    env = SystemEnv()
    pair = CertificateAuthority.create("elsewhere", env.now()).serving("x", ["elsewhere"], env.now())
    file = tmp_path / "site.pem"
    file.write_bytes(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    async with world(tmp_path) as here, serving(here, context):
        await here.pod("web")
        answer = await here.http(f"GET {PODS}/https:web:443/proxy/x HTTP/1.1")
        assert answer.json()["line"] == "GET /x HTTP/1.1"


@pytest.mark.parametrize("name", ["web:http", "web:8000", "http:web:http"])
async def test_a_service_leads_to_a_ready_endpoint_on_its_node(tmp_path: Path, name: str) -> None:
    async with world(tmp_path) as here, serving(here):
        await service(here, False, True, False)
        answer = await here.http(f"GET {SERVICES}/{name}/proxy/x HTTP/1.1")
        assert answer.json()["headers"]["host"] == "10.244.0.2:8080"
        assert here.node.asked == [{"node": "n2", "address": "10.244.0.2", "port": 8080}]


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("services/web:http/proxy/", 503, 'no endpoints available for service "web:http"'),
        ("services/web:1/proxy/", 503, 'no service port 1 found for service "web"'),
        ("services/none/proxy/", 404, 'services "none" not found'),
        ("services/a:b:c:d/proxy/", 400, 'invalid service request "a:b:c:d"'),
        ("pods/none/proxy/", 404, 'pods "none" not found'),
        ("pods/web:http/proxy/", 400, 'invalid pod request "web:http"'),
    ],
)
async def test_what_leads_nowhere_is_refused_in_upstreams_words(
    tmp_path: Path, path: str, code: int, message: str
) -> None:
    async with world(tmp_path) as here:
        await here.pod("web")
        await service(here, False)
        answer = await here.http(f"GET /api/v1/namespaces/default/{path} HTTP/1.1")
        assert (answer.code, answer.json()["message"]) == (code, message)


async def test_a_node_is_reached_at_its_internal_address(tmp_path: Path) -> None:
    async with world(tmp_path) as here, serving(here):
        api = here.server.transport("test", ["system:masters"])
        node = (await api.request("POST", "/api/v1/nodes", body={"metadata": {"name": "n1"}})).object
        addresses = [{"type": "ExternalIP", "address": "127.77.0.2"}, {"type": "InternalIP", "address": "172.31.0.2"}]
        node["status"] = {**node.get("status", {}), "addresses": addresses}
        await api.request("PUT", "/api/v1/nodes/n1/status", body=node)
        answer = await here.http("GET /api/v1/nodes/n1:8080/proxy/metrics?a=b HTTP/1.1")
        assert answer.json()["line"] == "GET /metrics?a=b HTTP/1.1"
        assert here.node.asked == [{"node": "n1", "address": "172.31.0.2", "port": 8080}]


async def test_the_kubelets_summary_is_asked_of_the_node_itself(tmp_path: Path) -> None:
    async with world(tmp_path) as here:

        async def stats(sock: socket.socket) -> None:
            await asyncio.get_running_loop().sock_sendall(sock, b'{"node":{}}')
            sock.close()

        here.node.log = stats
        answer = await here.http("GET /api/v1/nodes/n1/proxy/stats/summary HTTP/1.1")
        assert answer.json() == {"node": {}}
        assert here.node.asked == [{"node": "n1", "verb": "stats"}]
