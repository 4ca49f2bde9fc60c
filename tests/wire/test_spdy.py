"""SPDY framing: what one side says the other understands, however the bytes are cut."""

from __future__ import annotations

import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.wire import spdy
from podling.wire.spdy import Data, GoAway, Ping, Reset, Settings, Spdy, SpdyError, SynReply, SynStream, WindowUpdate

NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
HEADERS = st.dictionaries(NAMES, st.text(max_size=20), max_size=4)
STREAMS = st.integers(1, 2**31 - 1)
FRAMES = st.one_of(
    st.builds(SynReply, STREAMS, HEADERS, st.booleans()),
    st.builds(spdy.MoreHeaders, STREAMS, HEADERS, st.booleans()),
    st.builds(Data, STREAMS, st.binary(min_size=1, max_size=200), st.booleans()),
    st.builds(Reset, STREAMS, st.integers(1, 11)),
    st.builds(Ping, st.integers(0, 2**32 - 1)),
    st.builds(GoAway, STREAMS, st.integers(0, 2)),
    st.builds(WindowUpdate, STREAMS, st.integers(1, 2**31 - 1)),
    st.builds(Settings, st.dictionaries(st.integers(1, 8), st.integers(0, 2**32 - 1), max_size=3)),
)


def said(side: Spdy, frame: spdy.Frame) -> bytes:
    match frame:
        case SynReply(stream, headers, fin):
            return side.reply(stream, headers, fin=fin)
        case spdy.MoreHeaders(stream, headers, fin):
            return side.headers(stream, headers, fin=fin)
        case Data(stream, data, fin):
            return side.data(stream, data, fin=fin)
        case Reset(stream, status):
            return side.reset(stream, status)
        case Ping(id):
            return side.ping(id)
        case GoAway(last, status):
            return side.go_away(last, status)
        case WindowUpdate(stream, delta):
            return side.window_update(stream, delta)
        case Settings(values):
            return side.settings(values)
    raise AssertionError(frame)


@given(frames=st.lists(FRAMES, max_size=6), cuts=st.lists(st.floats(0, 1), max_size=6))
def test_what_one_side_says_the_other_hears(frames: list[spdy.Frame], cuts: list[float]) -> None:
    speaker, listener = Spdy(client=True), Spdy(client=False)
    stream = b"".join(said(speaker, frame) for frame in frames)
    at = [0, *sorted(round(cut * len(stream)) for cut in cuts), len(stream)]
    heard = [frame for start, end in itertools.pairwise(at) for frame in listener.feed(stream[start:end])]
    assert heard == frames


@given(st.lists(st.tuples(HEADERS, st.booleans()), max_size=5))
def test_a_client_numbers_its_streams_odd_and_a_server_even(
    opened: list[tuple[dict[str, str], bool]],
) -> None:
    for client in (True, False):
        speaker, listener = Spdy(client=client), Spdy(client=not client)
        for index, (headers, fin) in enumerate(opened):
            stream, data = speaker.open(headers, fin=fin)
            assert stream == 2 * index + (1 if client else 2)
            assert list(listener.feed(data)) == [SynStream(stream, headers, fin)]


def test_the_dictionary_is_the_one_every_implementation_names_by_its_checksum() -> None:
    assert len(spdy.DICTIONARY) == 1423
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2
    _, data = Spdy(client=True).open({})
    assert data[18:24] == bytes.fromhex("78bbe3c6a7c2") or data[20:24] == bytes.fromhex("e3c6a7c2")


def test_the_frames_have_the_layout_of_the_draft() -> None:
    side = Spdy(client=False)
    assert side.data(3, b"hi", fin=True) == bytes.fromhex("0000000301000002") + b"hi"
    assert side.data(3, b"", fin=True) == bytes.fromhex("0000000301000000")
    assert side.data(3, b"") == b""
    assert side.ping(7) == bytes.fromhex("800300060000000400000007")
    assert side.reset(1, spdy.REFUSED_STREAM) == bytes.fromhex("80030003000000080000000100000003")
    assert side.go_away(5) == bytes.fromhex("80030007000000080000000500000000")


def test_long_data_goes_out_in_pieces_and_ends_once() -> None:
    data = bytes(range(256)) * 300
    frames = list(Spdy(client=True).feed(Spdy(client=False).data(2, data, fin=True)))
    assert [len(frame.data) for frame in frames if isinstance(frame, Data)] == [32768, 32768, 11264]
    assert b"".join(frame.data for frame in frames if isinstance(frame, Data)) == data
    assert [frame.fin for frame in frames if isinstance(frame, Data)] == [False, False, True]


def test_a_control_frame_nobody_knows_is_skipped() -> None:
    unknown = bytes.fromhex("8003000b00000002ffff")
    assert list(Spdy(client=False).feed(unknown + Spdy(client=True).ping(1))) == [Ping(1)]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param("800200060000000400000001", id="another version"),
        pytest.param("800300010000000c00000001000000000000abcd", id="headers that are not compressed"),
        pytest.param("800300030000000400000001", id="a reset without status"),
        pytest.param("0000000100ffffff", id="a frame that is too long"),
    ],
)
def test_what_cannot_be_read_is_an_error(frame: str) -> None:
    with pytest.raises(SpdyError):
        list(Spdy(client=False).feed(bytes.fromhex(frame)))


def test_headers_that_inflate_beyond_measure_are_an_error() -> None:
    _, data = Spdy(client=True).open({"x": "y" * 200_000})
    assert len(data) < 1000
    with pytest.raises(SpdyError, match="headers of more than"):
        list(Spdy(client=False).feed(data))
