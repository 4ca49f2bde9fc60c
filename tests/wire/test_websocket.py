"""WebSocket framing: what one side says the other understands, however the bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.wire import websocket
from podling.wire.websocket import Channels, Close, Message, Ping, Pong, WebSocket, WebSocketError

EVENTS = st.one_of(
    st.builds(Message, st.binary(max_size=300) | st.integers(65_000, 66_000).map(bytes), st.booleans()),
    st.builds(Ping, st.binary(max_size=125)),
    st.builds(Pong, st.binary(max_size=125)),
    st.builds(Close, st.sampled_from([1000, 1002, 4000]), st.text(max_size=20)),
)
CUTS = st.lists(st.floats(0, 1), max_size=6)


def pieces(data: bytes, cuts: list[float]) -> list[bytes]:
    """`data` cut at shares of its length."""
    at = [0, *sorted(round(cut * len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(at)]


def said(side: WebSocket, event: websocket.Event) -> bytes:
    if isinstance(event, Message):
        return side.message(event.data, text=event.text)
    if isinstance(event, Ping):
        return side.ping(event.data)
    if isinstance(event, Pong):
        return side.pong(event.data)
    return side.close(event.code, event.reason)


@given(events=st.lists(EVENTS, max_size=5), cuts=CUTS, from_client=st.booleans())
def test_what_one_side_says_the_other_hears(
    events: list[websocket.Event], cuts: list[float], from_client: bool
) -> None:
    client, server = WebSocket(mask=lambda: b"\x01\x02\x03\x04"), WebSocket()
    speaker, listener = (client, server) if from_client else (server, client)
    stream = b"".join(said(speaker, event) for event in events)
    assert [event for piece in pieces(stream, cuts) for event in listener.feed(piece)] == events


@given(data=st.binary(max_size=100), cuts=CUTS)
def test_fragments_are_joined_and_may_have_pings_between(data: bytes, cuts: list[float]) -> None:
    parts = pieces(data, cuts)
    frames = []
    for index, part in enumerate(parts):
        final, opcode = index == len(parts) - 1, 2 if index == 0 else 0
        frames += [bytes([final << 7 | opcode, len(part)]) + part, b"\x89\x01p"]
    heard = list(WebSocket(mask=lambda: b"mask").feed(b"".join(frames)))
    assert [event for event in heard if not isinstance(event, Ping)] == [Message(data)]
    assert len(heard) == len(parts) + 1


def test_the_handshake_is_the_rfcs_own_example() -> None:
    assert websocket.accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_masked_hello_is_the_rfcs_own_example() -> None:
    hello = bytes.fromhex("818537fa213d7f9f4d5158")
    assert list(WebSocket().feed(hello)) == [Message(b"Hello", text=True)]
    assert WebSocket(mask=lambda: bytes.fromhex("37fa213d")).message(b"Hello", text=True) == hello


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param("8100", 1002, id="a client that does not mask"),
        pytest.param("c18000000000", 1002, id="an extension bit"),
        pytest.param("838000000000", 1002, id="an unknown opcode"),
        pytest.param("808000000000", 1002, id="a continuation of nothing"),
        pytest.param("098000000000", 1002, id="a fragmented ping"),
        pytest.param("018000000000018000000000", 1002, id="a message within a message"),
        pytest.param("82ff000000000200000000000000", 1009, id="a message that is too long"),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_told_why(frame: str, code: int) -> None:
    with pytest.raises(WebSocketError) as broken:
        list(WebSocket().feed(bytes.fromhex(frame)))
    assert broken.value.code == code


def test_a_close_without_a_code_is_heard_as_one() -> None:
    assert list(WebSocket().feed(bytes.fromhex("888000000000"))) == [Close(websocket.NO_CODE, "")]


def test_a_long_reason_is_cut_between_characters() -> None:
    (close,) = WebSocket(mask=lambda: b"mask").feed(WebSocket().close(1011, "é" * 100))
    assert close == Close(1011, "é" * 61)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("v5.channel.k8s.io,v4.channel.k8s.io", "v5.channel.k8s.io"),
        ("v9.channel.k8s.io, v4.channel.k8s.io", "v4.channel.k8s.io"),
        ("v9.channel.k8s.io", None),
        ("", None),
    ],
)
def test_the_first_supported_protocol_of_the_client_is_chosen(offered: str, chosen: str | None) -> None:
    assert websocket.chosen_protocol(offered, websocket.CHANNEL_PROTOCOLS) == chosen


@given(protocol=st.sampled_from(websocket.CHANNEL_PROTOCOLS), channel=st.integers(0, 4), payload=st.binary(max_size=50))
def test_channels_are_read_as_they_were_packed(protocol: str, channel: int, payload: bytes) -> None:
    channels = Channels.of(protocol)
    assert channels.unpack(channels.pack(channel, payload)) == (channel, payload)


def test_channels_differ_by_protocol() -> None:
    assert Channels.of("v5.channel.k8s.io").pack(1, b"hi") == Message(b"\x01hi")
    assert Channels.of("base64.channel.k8s.io").pack(1, b"hi") == Message(b"1aGk=", text=True)
    assert [Channels.of(name).half_close for name in websocket.CHANNEL_PROTOCOLS] == [True, *[False] * 4]
    assert [Channels.of(name).status for name in websocket.CHANNEL_PROTOCOLS] == [True, True, True, False, False]


@pytest.mark.parametrize("data", [b"", b"xaGk=", b"1!"])
def test_a_message_that_names_no_channel_is_refused(data: bytes) -> None:
    with pytest.raises(WebSocketError):
        Channels.of("base64.channel.k8s.io").unpack(Message(data, text=True))
