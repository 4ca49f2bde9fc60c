"""The keeper's frames survive any cutting of the stream, and nonsense is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.wire.keeper import MAX_FRAME, Decoder, ProtocolError, encode

MESSAGES = st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=4), max_size=5)


@given(MESSAGES, st.integers(1, 50))
def test_messages_come_back_however_the_stream_is_cut(messages: list[dict[str, object]], size: int) -> None:
    stream = b"".join(map(encode, messages))
    decoder = Decoder()
    found = []
    for start in range(0, len(stream), size):
        found += list(decoder.feed(stream[start : start + size]))
    assert found == messages


@pytest.mark.parametrize(
    "data",
    [b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x01{", (MAX_FRAME + 1).to_bytes(4, "big")],
    ids=["not an object", "not JSON", "too long"],
)
def test_nonsense_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Decoder().feed(data))
