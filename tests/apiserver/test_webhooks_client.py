"""One question to a webhook: where it goes, whom it trusts, how long it waits, what is said when it fails."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from podling.apiserver.webhooks.client import WebhookClient, WebhookError
from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.apiserver.serving import Api, serving
from tests.apiserver.webhookserver import webhook

Json = dict[str, Any]


class OneNode:
    """A Dialer by which every address is one port of this machine; remembers what it was asked for."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[tuple[str, str, int]] = []

    async def connect(self, node: str, address: str, port: int) -> socket.socket:
        self.asked.append((node, address, port))
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return sock

    async def stream(self, node: str, request: Mapping[str, Any]) -> socket.socket:
        raise OSError("this node has no streams")


def echo(body: Json) -> Json:
    return {"got": body}


@asynccontextmanager
async def asking(dialer: Any = None) -> AsyncIterator[tuple[Api, WebhookClient]]:
    async with serving() as api:
        client = WebhookClient(api.server.backend.cache, SystemEnv(), dialer or OneNode())
        try:
            yield api, client
        finally:
            client.close()


async def failure(client: WebhookClient, config: Json, timeout: float = 5) -> str:
    with pytest.raises(WebhookError) as error:
        await client.call(config, timeout, b"{}")
    return error.value.message


async def test_a_url_is_asked_with_the_timeout_in_its_query_over_one_kept_connection() -> None:
    async with asking() as (_, client), webhook(echo) as hook:
        for number in (1, 2, 3):
            answer = json.loads(await client.call(hook.config("/check?a=b"), 5, json.dumps({"n": number}).encode()))
            assert answer == {"got": {"n": number}}
        assert (hook.paths, hook.connections) == (["/check?a=b&timeout=5s"] * 3, 1)


async def test_a_kept_connection_that_was_closed_is_made_anew() -> None:
    async with asking() as (_, client), webhook(echo) as hook:
        await client.call(hook.config(), 5, b"{}")
        hook.hang_up()
        assert await client.call(hook.config(), 5, b"{}")
        assert hook.connections == 2


async def test_a_server_that_ends_its_answer_by_hanging_up_is_understood() -> None:
    async with asking() as (_, client), webhook(echo) as hook:
        hook.bare = True
        for number in (1, 2):
            assert json.loads(await client.call(hook.config(), 5, b'{"n":1}')) == {"got": {"n": 1}}
            assert hook.connections == number


async def test_a_webhook_that_is_not_trusted_gets_no_question() -> None:
    async with asking() as (_, client), webhook(echo) as hook:
        stranger = CertificateAuthority.create("other", SystemEnv().now()).pair.certificate
        config = hook.config() | {"caBundle": base64.b64encode(stranger).decode()}
        url = f'Post "https://127.0.0.1:{hook.port}/?timeout=5s": '
        why = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        assert await failure(client, config) == url + why
        assert not hook.asked


async def test_silence_refusal_and_nonsense_are_told_as_upstream_tells_them() -> None:
    async def never(_: Json) -> Json:
        await asyncio.Event().wait()
        return {}

    async with asking() as (_, client), webhook(never) as hook:
        url = f'Post "https://127.0.0.1:{hook.port}/?timeout=0.2s": '
        assert await failure(client, hook.config(), 0.2) == f"{url}context deadline exceeded"
        hook.handler = lambda _: (500, b"it broke")
        wanted = 'an error on the server ("it broke") has prevented the request from succeeding'
        assert await failure(client, hook.config()) == wanted
        hook.handler = lambda _: (404, b"what?")
        assert await failure(client, hook.config()) == "the server could not find the requested resource"
        closed = hook.config()
    wanted = f'Post "{closed["url"]}?timeout=5s": dial tcp 127.0.0.1:{hook.port}: connect: connection refused'
    assert await failure(client, closed) == wanted


async def test_a_service_is_reached_through_a_ready_endpoint_under_its_own_name() -> None:
    dialer = OneNode()
    async with asking(dialer) as (api, client), webhook(echo, "hook.default.svc") as hook:
        dialer.port = hook.port
        config = {"service": {"namespace": "default", "name": "hook", "path": "/x"}, "caBundle": hook.bundle}
        url = 'Post "https://hook.default.svc:443/x?timeout=5s": '
        assert await failure(client, config) == f'{url}service "hook" not found'
        await service(api, "hook")
        assert await failure(client, config) == f'{url}no endpoints available for service "hook"'
        await endpoints(api, "hook")
        assert json.loads(await client.call(config, 5, b"{}")) == {"got": {}}
        assert dialer.asked == [("n1", "10.1.2.3", 8443)]
        config["service"] |= {"port": 80}
        assert (await failure(client, config)).endswith('no service port 80 found for service "hook"')


async def test_a_service_whose_certificate_is_for_another_name_is_refused() -> None:
    dialer = OneNode()
    async with asking(dialer) as (api, client), webhook(echo, "other.default.svc") as hook:
        dialer.port = hook.port
        await service(api, "hook")
        await endpoints(api, "hook")
        config = {"service": {"namespace": "default", "name": "hook"}, "caBundle": hook.bundle}
        assert "x509: certificate is not valid" in await failure(client, config)


async def service(api: Api, name: str) -> None:
    body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 443, "targetPort": 8443}]}}
    await api.make("/api/v1/namespaces/default/services", body)


async def endpoints(api: Api, name: str, node: str = "n1") -> None:
    body = {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8443}],
        "endpoints": [
            {"addresses": ["10.1.2.9"], "conditions": {"ready": False}, "nodeName": node},
            {"addresses": ["10.1.2.3"], "conditions": {"ready": True}, "nodeName": node},
        ],
    }
    await api.make("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", body)
