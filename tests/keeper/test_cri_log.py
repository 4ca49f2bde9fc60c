"""The log of a container: every byte that was printed can be had back, in lines of the CRI format."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podling.wire.cri_log import MAX_LINE, LineSplitter, parse

TIME = "2026-11-23T11:24:42.123456789Z"


def lines(*pieces: bytes) -> list[bytes]:
    splitter = LineSplitter("stdout")
    out = b"".join(splitter.feed(piece, TIME) for piece in pieces) + splitter.flush(TIME)
    return out.split(b"\n")[:-1]


def test_a_line_is_a_line() -> None:
    assert lines(b"hello\nworld\n") == [
        b"2026-11-23T11:24:42.123456789Z stdout F hello",
        b"2026-11-23T11:24:42.123456789Z stdout F world",
    ]


def test_a_line_that_comes_in_pieces_is_one_line() -> None:
    assert [line.text for line in parse(b"\n".join(lines(b"he", b"ll", b"o\n")))] == [b"hello\n"]


def test_a_last_line_without_a_newline_is_partial() -> None:
    assert lines(b"done") == [f"{TIME} stdout P done".encode()]


def test_an_empty_line_is_kept() -> None:
    assert [line.text for line in parse(b"\n".join(lines(b"\n\na\n")))] == [b"\n", b"\n", b"a\n"]


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    assert [line.split(b" ", 3)[2] for line in lines(b"x" * MAX_LINE + b"\n")] == [b"F"]


def test_a_longer_line_is_cut_into_partial_ones() -> None:
    tags = [line.split(b" ", 3)[2] for line in lines(b"x" * (2 * MAX_LINE + 1) + b"\n")]
    assert tags == [b"P", b"P", b"F"]


def test_a_torn_line_is_left_out() -> None:
    assert [line.text for line in parse(b"2026-11-23T11:24\n" + b"\n".join(lines(b"a\n")))] == [b"a\n"]


@given(st.lists(st.binary(max_size=3 * MAX_LINE), max_size=6))
def test_what_was_printed_comes_back(pieces: list[bytes]) -> None:
    written = b"\n".join(lines(*pieces)) + b"\n"
    assert b"".join(line.text for line in parse(written)) == b"".join(pieces)
