"""An aggregated API server: HTTPS on 127.0.0.1 that trusts the front proxy's certificate and nobody else's."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.apiserver.serving import Api

Json = dict[str, Any]
GROUP, VERSION = "wardle.example.com", "v1alpha1"
BASE = f"/apis/{GROUP}/{VERSION}"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/{VERSION}",
    "resources": [
        {
            "name": "flunders",
            "singularName": "flunder",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": ["get", "list", "watch", "create"],
            "shortNames": ["fl"],
        },
        {"name": "flunders/status", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
    ],
}


class Extension:
    """`documents` are answered by path; `asked` are (method, target, headers, body, common name of the client)."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self.authority = authority
        self.documents: dict[str, Json] = {BASE: RESOURCES}
        self.asked: list[tuple[str, str, Mapping[str, list[str]], bytes, str]] = []
        self.events: asyncio.Queue[Json] = asyncio.Queue()
        self.port = 0

    @property
    def bundle(self) -> str:
        return base64.b64encode(self.authority.pair.certificate).decode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers: dict[str, list[str]] = {}
        for name, _, value in (line.partition(": ") for line in lines if line):
            headers.setdefault(name.lower(), []).append(value)
        body = await reader.readexactly(int(headers.get("content-length", ["0"])[0]))
        subject = writer.get_extra_info("peercert").get("subject", ())
        name = next(value for part in subject for key, value in part if key == "commonName")
        self.asked.append((method, target, headers, body, name))
        if "upgrade" in headers:
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            while data := await reader.read(1024):
                writer.write(data.upper())
                await writer.drain()
            return
        path = target.partition("?")[0]
        if "watch=true" in target:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                piece = json.dumps(await self.events.get()).encode() + b"\n"
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
        found = self.documents.get(path)
        data = json.dumps(found if found is not None else {"kind": "Status", "code": 404, "message": "none"}).encode()
        status = "200 OK" if found is not None else "404 Not Found"
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()


@asynccontextmanager
async def extension(api: Api, service: str = "wardle") -> AsyncIterator[Extension]:
    """Running; knows whom to trust from the ConfigMap, as such servers do."""
    published = await published_authentication(api)
    now = SystemEnv().now()
    authority = CertificateAuthority.create("extension", now)
    pair = authority.serving("extension", [f"{service}.default.svc"], now)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=published["requestheader-client-ca-file"])
    context.verify_mode = ssl.CERT_REQUIRED
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(file.name)
    found = Extension(authority)
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=context)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


async def published_authentication(api: Api) -> dict[str, str]:
    path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
    async with asyncio.timeout(5):
        while (answer := await api.get(path)).status_code != 200:
            await asyncio.sleep(0.01)
    data: dict[str, str] = answer.json()["data"]
    return data
