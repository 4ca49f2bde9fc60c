"""What is recognised without the parser is what the parser would have said, and nothing else is recognised."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.apiserver.knownheads import REMEMBERED, KnownHeads
from tests.apiserver.serving import DEFAULT, serving
from tests.apiserver.test_http import answers

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


class Parsed:
    """What httptools makes of one message."""

    def __init__(self, data: bytes) -> None:
        self.url, self.body, self.headers, self.whole = b"", b"", dict[str, str](), 0
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)
        self.method = self._parser.get_method().decode()
        self.keep_alive = self._parser.should_keep_alive()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole += 1


def message(method: str, path: str, body: bytes = b"", head: str = "Host: x\r\nAccept: */*\r\n") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\n{head}{length}X-Last: y\r\n\r\n".encode() + body


def taught(data: bytes) -> KnownHeads:
    known, parsed = KnownHeads(), Parsed(data)
    known.learn(data, parsed.headers, parsed.keep_alive)
    return known


@given(
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    st.text("abc/%?=&-", max_size=20),
    st.binary(max_size=40),
    st.binary(max_size=40),
)
def test_the_same_head_is_read_as_the_parser_reads_it(method: str, path: str, first: bytes, body: bytes) -> None:
    known = taught(message("POST", "/first", first))
    data = message(method, f"/{path}", body)
    found, parsed = known.read(data), Parsed(data)
    if bool(first) is not bool(body):
        assert found is None
    else:
        assert found == (parsed.method, parsed.url, parsed.headers, parsed.body, parsed.keep_alive)
        assert parsed.whole == 1


@pytest.mark.parametrize(
    "data",
    [
        message("POST", "/", b"12345")[:-1],
        message("POST", "/", b"12345") + b"6",
        message("POST", "/", b"12345").replace(b": 5", b": +5"),
        message("POST", "/", b"12345").replace(b": 5", b": 5, 5"),
        message("POST", "/", b"12345").replace(b"HTTP/1.1", b"HTTP/1.0"),
        message("POST", "/", b"12345").replace(b"X-Last: y", b"X-Last: z"),
        message("POST", "/ /", b"12345"),
        message("POST", "/\x00", b"12345"),
        message("POST", "/\n", b"12345"),
        message("BREW", "/", b"12345"),
        b"",
        b"\r\n\r\n",
    ],
)
def test_what_differs_otherwise_is_left_to_the_parser(data: bytes) -> None:
    known = taught(message("POST", "/", b"12345"))
    assert known.read(message("POST", "/", b"12345")) is not None
    assert known.read(data) is None


@pytest.mark.parametrize("line", ["Transfer-Encoding: chunked", "Expect: 100-continue", "Upgrade: websocket"])
def test_a_head_that_changes_how_a_connection_is_read_is_never_learned(line: str) -> None:
    name, _, value = line.partition(": ")
    known = KnownHeads()
    known.learn(message("GET", "/", head=f"Host: x\r\n{line}\r\n"), {"host": "x", name.lower(): value}, True)
    assert known.read(message("GET", "/", head=f"Host: x\r\n{line}\r\n")) is None


def test_only_so_many_heads_are_remembered() -> None:
    known = KnownHeads()
    many = [message("GET", "/", head=f"Host: x{number}\r\n") for number in range(REMEMBERED + 1)]
    for data in many:
        known.learn(data, Parsed(data).headers, True)
    assert [known.read(data) is not None for data in many] == [False] * REMEMBERED + [True]


async def test_writes_and_reads_of_one_connection_are_each_answered_as_what_they_are() -> None:
    async with serving() as api:
        reader, writer = await api.raw()
        found = []
        for number in (1, 22, 333):
            body = b'{"metadata":{"name":"c%d"}}' % number
            head = f"POST {DEFAULT}/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            read = f"GET {DEFAULT}/configmaps/c{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            for data in (head + body, read):
                writer.write(data)
                found += await answers(reader, 1)
        assert [status for status, _ in found] == [201, 200] * 3
        written = [body for _, body in found[::2]]
        assert [b'"name":"c%d"' % number in body for body, number in zip(written, (1, 22, 333), strict=True)] == [
            True
        ] * 3
        last = f"GET {DEFAULT}/configmaps/c333 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        writer.write(last)
        assert (await answers(reader, 1))[0][0] == 200
        assert await reader.read() == b""
        writer.close()
