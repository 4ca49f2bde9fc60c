"""Probes against real servers on the loopback address, and the counting of their answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podling.api.kinds.core.container import Container, Probe
from podling.env import SystemEnv
from podling.kubelet.podstate import Probed
from podling.kubelet.probes import prober, registry
from podling.kubelet.probes.threshold import Count, counted
from podling.kubelet.probes.types import Target
from podling.pki.ca import CertificateAuthority
from podling.runtime.fake import FakeRuntime

Answer = Callable[[bytes], bytes | None]
"""From the request's head to the raw answer; None never answers."""


@contextlib.asynccontextmanager
async def listening(answer: Answer, secure: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            said = answer(await reader.readuntil(b"\r\n\r\n"))
            if said is None:
                await reader.read()
            else:
                writer.write(said)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=secure)
    async with server:
        yield server.sockets[0].getsockname()[1]


def target(**container: Any) -> Target:
    declared = msgspec.convert({"name": "main", **container}, Container)
    return Target(declared, "c1", "127.0.0.1", FakeRuntime(SystemEnv()))


async def ask(probe: dict[str, Any], of: Target | None = None, timeout: float = 1.0) -> tuple[str, str]:
    outcome = await registry.ask(msgspec.convert(probe, Probe), of or target(), timeout)
    return outcome.result, outcome.output


def status(code: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {code} X", "Content-Length: 0", *headers, "", ""]).encode()


@pytest.mark.parametrize(("code", "result"), [(200, "success"), (204, "success"), (399, "success"),
                                              (400, "failure"), (500, "failure")])  # fmt: skip
async def test_an_answer_from_200_to_399_is_good(code: int, result: str) -> None:
    async with listening(lambda head: status(code)) as port:
        got = await ask({"httpGet": {"path": "/", "port": port}})
    assert got == (result, "" if result == "success" else f"HTTP probe failed with statuscode: {code}")


async def test_a_probe_is_polite_and_sends_what_is_declared() -> None:
    heads: list[bytes] = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        return status(200)

    async with listening(answer) as port:
        probe = {"httpGet": {"path": "/x?y=1", "port": "web", "httpHeaders": [{"name": "X-A", "value": "b"}]}}
        named = target(ports=[{"name": "web", "containerPort": port}])
        assert await ask(probe, named) == ("success", "")
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "GET /x?y=1 HTTP/1.1"
    assert {f"Host: 127.0.0.1:{port}", "User-Agent: kube-probe/1.37", "Accept: */*", "X-A: b"} <= set(lines)


async def test_an_own_host_header_replaces_ours() -> None:
    heads: list[bytes] = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        return status(200)

    async with listening(answer) as port:
        await ask({"httpGet": {"port": port, "httpHeaders": [{"name": "Host", "value": "a.example"}]}})
    assert heads[0].count(b"Host:") == 1
    assert b"Host: a.example\r\n" in heads[0]


async def test_redirects_to_the_same_host_are_followed_to_their_end() -> None:
    def answer(head: bytes) -> bytes:
        return status(503) if b"/end" in head else status(302, "Location: /end")

    async with listening(answer) as port:
        assert await ask({"httpGet": {"path": "/", "port": port}}) == (
            "failure",
            "HTTP probe failed with statuscode: 503",
        )
    async with listening(lambda head: status(302, "Location: http://elsewhere.invalid/")) as port:
        assert (await ask({"httpGet": {"path": "/", "port": port}}))[0] == "success"


async def test_no_answer_in_time_is_a_failure_in_gos_words() -> None:
    async with listening(lambda head: None) as port:
        got = await ask({"httpGet": {"path": "/h", "port": port}}, timeout=0.05)
    why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert got == ("failure", f'Get "http://127.0.0.1:{port}/h": {why}')


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_a_refused_connection_is_a_failure_in_gos_words() -> None:
    port = closed_port()
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert await ask({"httpGet": {"path": "/", "port": port}}) == (
        "failure",
        f'Get "http://127.0.0.1:{port}/": {refused}',
    )
    assert await ask({"tcpSocket": {"port": port}}) == ("failure", refused)
    assert await ask({"grpc": {"port": port}}) == ("failure", f"error: {refused}")


async def test_an_open_port_is_enough_for_tcp() -> None:
    async with listening(lambda head: None) as port:
        assert await ask({"tcpSocket": {"port": port}}) == ("success", "")


async def test_an_unknown_port_name_is_an_error_and_no_verdict() -> None:
    result, output = await ask({"tcpSocket": {"port": "web"}})
    assert result == "unknown"
    assert "couldn't find port" in output


async def test_https_is_asked_without_checking_certificates(tmp_path: Path) -> None:
    env = SystemEnv()
    pair = CertificateAuthority.create("test", env.now()).serving("x", ["other.example"], env.now())
    (tmp_path / "crt").write_bytes(pair.certificate)
    (tmp_path / "key").write_bytes(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    async with listening(lambda head: status(200), context) as port:
        assert await ask({"httpGet": {"path": "/", "port": port, "scheme": "HTTPS"}}) == ("success", "")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("message", "expected"),
    [(b"\x08\x01", ("success", "")), (b"\x08\x02", ("failure", 'service unhealthy (responded with "NOT_SERVING")'))],
)
async def test_grpc_health_is_read_from_the_answers_message(message: bytes, expected: tuple[str, str]) -> None:
    data = b"\x00" + len(message).to_bytes(4, "big") + message

    def answer(head: bytes) -> bytes:
        return frame(4, 0, 0, b"") + frame(1, 4, 1, b"\x88") + frame(0, 0, 1, data)

    async with listening(answer) as port:
        assert await ask({"grpc": {"port": port}}) == expected


@pytest.mark.parametrize("size", [1, 127, 128, 300])
async def test_grpc_health_is_asked_of_a_service_with_a_name_of_any_length(size: int) -> None:
    asked: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\nSM\r\n\r\n")
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == 0:
                asked.put_nowait(payload)
                writer.write(frame(0, 0, 1, b"\x00\x00\x00\x00\x02\x08\x01"))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await ask({"grpc": {"port": port, "service": "x" * size}}) == ("success", "")
    message = (await asked.get())[5:]
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    assert message == b"\x0a" + length + b"x" * size


@pytest.mark.parametrize(
    ("answers", "verdicts"),
    [
        ("+", [True]),
        ("-", [None]),
        ("---", [None, None, False]),
        ("--+-", [None, None, True, True]),
        ("+--+", [True, True, True, True]),
        ("+---+", [True, True, True, False, True]),
    ],
)
def test_a_verdict_needs_its_answers_in_a_row(answers: str, verdicts: list[bool | None]) -> None:
    probe = msgspec.convert({"successThreshold": 1, "failureThreshold": 3}, Probe)
    count, got = Count(), []
    for answer in answers:
        count = counted(count, answer == "+", probe)
        got.append(count.verdict)
    assert got == verdicts


class Script:
    """Declared answers for a prober; each is a result, the last one repeats."""

    def __init__(self, **answers: str) -> None:
        self.answers = {kind: list(text) for kind, text in answers.items()}

    async def __call__(self, probe: Probe, of: Target, timeout: float) -> Any:
        kind = probe.exec.command[0] if probe.exec is not None else ""
        left = self.answers[kind]
        answer = left.pop(0) if len(left) > 1 else left[0]
        return registry.Outcome({"+": "success", "-": "failure", "?": "unknown"}[answer], "said")


def probing(kind: str, **fields: Any) -> dict[str, Any]:
    return {"exec": {"command": [kind]}, "periodSeconds": 1, "failureThreshold": 2, "successThreshold": 1, **fields}


async def observed(
    monkeypatch: pytest.MonkeyPatch, script: Script, seconds: float, **probes: Any
) -> tuple[list[tuple[float, Probed]], list[tuple[str, bool]]]:
    """What a prober told within `seconds` of virtual time, with the time of each."""
    monkeypatch.setattr(prober, "ask", script)
    loop, env = asyncio.get_running_loop(), SystemEnv()
    monkeypatch.setattr(env, "monotonic", loop.time)
    monkeypatch.setattr(env, "now", loop.time)
    began = loop.time()
    told: list[tuple[float, Probed]] = []
    complaints: list[tuple[str, bool]] = []
    of = target(**probes)
    one = prober.Prober(
        of,
        began,
        prober.probed_at_birth(of),
        env,
        lambda probed: told.append((round(loop.time() - began, 3), probed)),
        lambda kind, output, errored: complaints.append((kind, errored)),
    )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await one.run()
    return told, complaints


@pytest.mark.looptime
async def test_readiness_is_told_with_the_deciding_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    told, complaints = await observed(monkeypatch, Script(r="+--+"), 3.5, readinessProbe=probing("r"))
    assert told == [(0.0, Probed(ready=True)), (2.0, Probed(ready=False)), (3.0, Probed(ready=True))]
    assert complaints == [("Readiness", False)] * 2


@pytest.mark.looptime
async def test_an_errored_probe_is_told_and_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    told, complaints = await observed(monkeypatch, Script(r="+?-?+"), 4.5, readinessProbe=probing("r"))
    assert told == [(0.0, Probed(ready=True))]
    assert complaints == [("Readiness", True), ("Readiness", False), ("Readiness", True)]


@pytest.mark.looptime
async def test_nothing_is_asked_before_the_initial_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = await observed(monkeypatch, Script(r="+"), 5, readinessProbe=probing("r", initialDelaySeconds=3))
    assert told == [(3.0, Probed(ready=True))]


@pytest.mark.looptime
async def test_a_failed_liveness_probe_asks_for_a_restart_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = await observed(monkeypatch, Script(l="+-"), 10, livenessProbe=probing("l"))
    assert told == [(2.0, Probed(failed="Liveness"))]


@pytest.mark.looptime
async def test_other_probes_wait_for_the_startup_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(s="-+", r="+")
    told, _ = await observed(monkeypatch, script, 3, startupProbe=probing("s"), readinessProbe=probing("r"))
    assert told == [(1.0, Probed(started=True, ready=False)), (1.0, Probed(started=True, ready=True))]


@pytest.mark.looptime
async def test_a_startup_probe_that_never_succeeds_asks_for_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = await observed(monkeypatch, Script(s="-"), 9, startupProbe=probing("s"), livenessProbe=probing("l"))
    assert told == [(1.0, Probed(started=False, failed="Startup"))]
