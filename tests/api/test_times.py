"""Times are read as Go reads RFC 3339 and written in upstream's one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api import times
from podling.api.times import BadTime

LAYOUT = '"2006-01-02T15:04:05Z07:00"'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05.999Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05+05:30", "2024-01-01T21:34:05Z"),
        ("2024-01-02T03:04:05.123456789-01:00", "2024-01-02T04:04:05Z"),
    ],
)
def test_a_time_is_kept_in_utc_and_whole_seconds(text: str, written: str) -> None:
    assert times.canonical(text) == written


def test_a_micro_time_has_six_decimals() -> None:
    assert times.canonical_micro("2024-01-02T03:04:05Z") == "2024-01-02T03:04:05.000000Z"
    assert times.canonical_micro("2024-01-02T03:04:05.1234567Z") == "2024-01-02T03:04:05.123456Z"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("foo", f'parsing time "foo" as {LAYOUT}: cannot parse "foo" as "2006"'),
        ("", f'parsing time "" as {LAYOUT}: cannot parse "" as "2006"'),
        ("2024-01-02", f'parsing time "2024-01-02" as {LAYOUT}: cannot parse "" as "T"'),
        ("2024-01-02 03:04:05Z", f'parsing time "2024-01-02 03:04:05Z" as {LAYOUT}: cannot parse " 03:04:05Z" as "T"'),
        ("2024-01-02T03:04:05", f'parsing time "2024-01-02T03:04:05" as {LAYOUT}: cannot parse "" as "Z07:00"'),
        ("2024-01-02T03:04:05Zx", 'parsing time "2024-01-02T03:04:05Zx": extra text: "x"'),
        ("2024-13-02T03:04:05Z", 'parsing time "2024-13-02T03:04:05Z": month out of range'),
        ("2023-02-29T03:04:05Z", 'parsing time "2023-02-29T03:04:05Z": day out of range'),
    ],
)
def test_what_is_no_time_is_refused_in_gos_words(text: str, says: str) -> None:
    with pytest.raises(BadTime) as caught:
        times.canonical(text)
    assert str(caught.value) == says


@given(st.integers(min_value=-(2**35), max_value=2**37))
def test_seconds_survive_their_text(seconds: int) -> None:
    assert times.to_unix(times.from_unix(seconds)) == (seconds, 0)
