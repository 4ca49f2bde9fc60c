"""A real API server with real TLS and the real kubectl, on a node that exists in this process only.

The node is a Dialer: it serves sessions, ports and logs on socket pairs, so what is tested is everything between
kubectl and the descriptor that a node would pass.
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools
import msgspec

from podling.api.errors import InternalError, NotFound
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.config import Config
from podling.apiserver.message import Outcome, Request
from podling.apiserver.server import ApiServer
from podling.apiserver.streams.table import STREAMS
from podling.env import SystemEnv
from podling.network.nodesocket import connect
from podling.pki.ca import CertificateAuthority, new_signing_key
from podling.pki.kubeconfig import cluster_config
from podling.storage.memory import MemoryStorage
from podling.supervise import Supervisor
from podling.wire.session import CLOSE, RESIZE, STATUS, STDERR, STDIN, STDOUT, Unframer, frame

KUBECTL = Path(sys.executable).with_name("kubectl")
SUCCESS = b'{"metadata":{},"status":"Success"}'


class FakeSession:
    """The node's end of an exec or attach."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unframer = Unframer()
        self._frames: list[tuple[int, bytes]] = []

    async def receive(self) -> tuple[int, bytes] | None:
        """The next frame; None when the server has hung up."""
        while not self._frames:
            data = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
            if not data:
                return None
            self._frames += self._unframer.feed(data)
        return self._frames.pop(0)

    async def say(self, channel: int, payload: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, frame(channel, payload))

    async def end(self, code: int = 0) -> None:
        await self.say(STATUS, SUCCESS if code == 0 else exited(code))
        self.close()

    def close(self) -> None:
        self._sock.close()


def exited(code: int) -> bytes:
    return msgspec.json.encode(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    )


Command = Callable[[FakeSession, Sequence[str]], Awaitable[None]]


async def cat(session: FakeSession, words: Sequence[str]) -> None:
    """Echo until the end of the input."""
    while (received := await session.receive()) is not None and received[0] != CLOSE:
        if received[0] == STDIN:
            await session.say(STDOUT, received[1])
    await session.end()


async def terminal(session: FakeSession, words: Sequence[str]) -> None:
    """Say the first size of the terminal and the first line that is typed."""
    seen: dict[int, bytes] = {}
    while not {RESIZE, STDIN} <= seen.keys():
        received = await session.receive()
        assert received is not None
        seen.setdefault(*received)
    size = msgspec.json.decode(seen[RESIZE])
    await session.say(STDOUT, b"%dx%d " % (size["Width"], size["Height"]) + seen[STDIN])
    await session.end()


async def fail(session: FakeSession, words: Sequence[str]) -> None:
    await session.say(STDOUT, b"out\n")
    await session.say(STDERR, b"err\n")
    await session.end(int(words[1]))


async def flood(session: FakeSession, words: Sequence[str]) -> None:
    for _ in range(int(words[1])):
        await session.say(STDOUT, b"x" * 65536)
    await session.end()


COMMANDS: Mapping[str, Command] = {"cat": cat, "terminal": terminal, "fail": fail, "flood": flood}


@dataclass
class FakeNode:
    """The Dialer. `ports` are the ports that a Pod answers on, `asked` every request as it came."""

    tasks: Supervisor
    ports: Mapping[int, int] = field(default_factory=dict)
    asked: list[Mapping[str, Any]] = field(default_factory=list)
    log: Callable[[socket.socket], Awaitable[None]] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """A session of this node has ended."""

    async def connect(self, node: str, address: str, port: int) -> socket.socket:
        self.asked.append({"node": node, "address": address, "port": port})
        return await connect("127.0.0.1", self.ports.get(port, port))

    async def stream(self, node: str, request: Mapping[str, Any]) -> socket.socket:
        self.asked.append({"node": node, **request})
        if request["verb"] == "portforward":
            return await connect("127.0.0.1", self.ports.get(request["port"], request["port"]))
        if request.get("container") == "gone":
            raise NotFound('container not found ("gone")')
        if (words := request.get("command") or ["cat"])[0] == "nonesuch":
            raise InternalError('exec: "nonesuch": executable file not found in $PATH')
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        if request["verb"] in ("logs", "stats"):
            assert self.log is not None
            self.tasks.start("log", self.log(ours))
        else:
            self.tasks.start("session", self._session(COMMANDS[words[0]], FakeSession(ours), words))
        return theirs

    async def _session(self, command: Command, session: FakeSession, words: Sequence[str]) -> None:
        try:
            await command(session, words)
        except ConnectionError:
            pass
        finally:
            session.close()
            self.over.set()


@dataclass
class World:
    server: ApiServer
    node: FakeNode
    tasks: Supervisor
    kubeconfig: Path
    upgrades: list[str]
    """What each request for a stream wanted to become: websocket, SPDY/3.1 or nothing."""

    async def kubectl(self, *words: str, stdin: bytes | None = None, env: Mapping[str, str] = {}) -> Done:
        process = await self.start(*words, stdin=stdin is not None, env=env)
        async with asyncio.timeout(30):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Done(process.returncode, out.decode(), err.decode())

    async def start(self, *words: str, stdin: bool = False, env: Mapping[str, str] = {}) -> asyncio.subprocess.Process:
        """kubectl, its output on pipes."""
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            KUBECTL,
            *words,
            stdin=pipe if stdin else asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env=self.env(env),
        )

    def env(self, more: Mapping[str, str]) -> Mapping[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent), **more}

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TLS connection as kubernetes-admin."""
        config = msgspec.json.decode(self.kubeconfig.read_bytes())
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        pair = self.kubeconfig.with_name("pair.pem")
        pair.write_bytes(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        context.load_cert_chain(pair)
        host, port = self.server.addresses[0]
        return await asyncio.open_connection(host, port, ssl=context)

    async def http(self, line: str, headers: str = "", body: bytes = b"") -> Answer:
        """One request on a connection of its own; `line` is the request line, `headers` end in CRLF each."""
        reader, writer = await self.connect()
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        close = "" if "connection:" in headers.lower() else "Connection: close\r\n"
        writer.write(f"{line}\r\nHost: x\r\n{close}{length}{headers}\r\n".encode() + body)
        answer = Answer()
        parser = httptools.HttpResponseParser(answer)
        async with asyncio.timeout(10):
            while not answer.complete and (data := await reader.read(65536)):
                parser.feed_data(data)
        writer.close()
        answer.code = parser.get_status_code()
        return answer

    async def pod(self, name: str, *containers: str, node: str = "n1", **status: Any) -> dict[str, Any]:
        """A running Pod, put there as scheduler and kubelet would."""
        api = self.server.transport("test", ["system:masters"])
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "containers": [
                    {"name": each, "image": "x", "ports": [{"containerPort": 80}]} for each in containers or ("main",)
                ],
            },
        }
        made = await api.request("POST", "/api/v1/namespaces/default/pods", body=body)
        status = {"phase": "Running", "podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}], **status}
        status["containerStatuses"] = [
            {"name": each, "ready": True, "image": "x", "imageID": "", "restartCount": 0, "state": {"running": {}}}
            for each in containers or ("main",)
        ]
        path = f"/api/v1/namespaces/default/pods/{name}/status"
        return (await api.request("PUT", path, body={**made.object, "status": status})).object


class Answer:
    """What came back over HTTP."""

    def __init__(self) -> None:
        self.code, self.body, self.complete = 0, b"", False
        self.headers: dict[str, str] = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Done:
    code: int
    out: str
    err: str


def _noting(endpoint: Endpoint, upgrades: list[str]) -> Endpoint:
    def noted(backend: Backend, request: Request) -> Outcome | Awaitable[Outcome]:
        upgrades.append(request.header("upgrade"))
        return endpoint(backend, request)

    return noted


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    env = SystemEnv()
    authority = CertificateAuthority.create("test", env.now())
    serving = authority.serving("podling", ["127.0.0.1", "localhost"], env.now())
    config = Config(
        tcp=(("127.0.0.1", 0),),
        certificate=serving.certificate,
        key=serving.key,
        ca=authority.pair.certificate,
        token_key=new_signing_key(),
    )
    async with Supervisor() as tasks:
        node = FakeNode(tasks)
        storage = MemoryStorage()
        upgrades: list[str] = []
        streams = {place: _noting(endpoint, upgrades) for place, endpoint in STREAMS.items()}
        server = ApiServer(config, storage, env, node, streams=streams)
        await server.start()
        try:
            api = server.transport("test", ["system:masters"])
            await api.request(
                "POST", "/api/v1/namespaces/default/serviceaccounts", body={"metadata": {"name": "default"}}
            )
            host, port = server.addresses[0]
            user = authority.client("kubernetes-admin", ["system:masters"], env.now())
            kubeconfig = folder / "kubeconfig"
            found = cluster_config("test", f"https://{host}:{port}", authority.pair.certificate, user)
            kubeconfig.write_bytes(msgspec.json.encode(found))
            yield World(server, node, tasks, kubeconfig, upgrades)
        finally:
            await server.stop()
            await storage.close()
