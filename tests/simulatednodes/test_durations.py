"""Lengths of time as users write them."""

from __future__ import annotations

import pytest

from podling.simulatednodes.durations import parse


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("300ms", 0.3, 0.3),
        ("2s", 2, 2),
        ("1m30s", 90, 90),
        ("1h", 3600, 3600),
        ("0.5", 0.5, 0.5),
        (7, 7, 7),
        ("1s..3s", 1, 3),
    ],
)
def test_lengths_are_read_as_they_are_written(text: str | int, least: float, most: float) -> None:
    span = parse(text)
    assert [span.least, span.most] == pytest.approx([least, most])


@pytest.mark.parametrize("text", ["", "soon", "2 days", "3s4", "..2s"])
def test_what_is_no_length_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write 300ms"):
        parse(text)


def test_a_span_gives_every_seed_a_length_of_its_own_and_always_the_same() -> None:
    span = parse("1s..3s")
    lengths = [span.of(f"pod-{number}") for number in range(50)]
    assert lengths == [span.of(f"pod-{number}") for number in range(50)]
    assert all(1 <= length < 3 for length in lengths)
    assert len(set(lengths)) > 40
