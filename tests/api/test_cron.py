"""Schedules: what crontab(5) and upstream's parser say, in every time zone."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api import cron

UTC = cron.zone_of(None)


def moments(text: str, zone: str | None, since: str, count: int) -> list[str]:
    schedule, where = cron.parse(text), cron.zone_of(zone)
    now, out = datetime.fromisoformat(since).timestamp(), []
    for _ in range(count):
        following = schedule.next(now, where)
        assert following is not None
        now = following
        out.append(datetime.fromtimestamp(now, where).isoformat())
    return out


MOMENTS = [
    ("*/15 * * * *", None, "2024-01-01T00:00:00+00:00", ["2024-01-01T00:15:00+00:00", "2024-01-01T00:30:00+00:00"]),
    ("5 4 * * sun", None, "2024-01-01T00:00:00+00:00", ["2024-01-07T04:05:00+00:00", "2024-01-14T04:05:00+00:00"]),
    ("0 0 29 2 *", None, "2023-01-01T00:00:00+00:00", ["2024-02-29T00:00:00+00:00", "2028-02-29T00:00:00+00:00"]),
    # Either day is enough where both are restricted; a star restricts nothing.
    ("0 0 13 * fri", None, "2023-01-01T00:00:00+00:00", ["2023-01-06T00:00:00+00:00", "2023-01-13T00:00:00+00:00"]),
    ("0 0 1-7 * *", None, "2023-01-07T00:00:00+00:00", ["2023-02-01T00:00:00+00:00", "2023-02-02T00:00:00+00:00"]),
    (
        "10/20 9-10 * jan,FEB ?",
        None,
        "2024-02-29T10:31:00+00:00",
        ["2024-02-29T10:50:00+00:00", "2025-01-01T09:10:00+00:00"],
    ),
    ("@monthly", "Asia/Tokyo", "2024-01-31T14:00:00+00:00", ["2024-02-01T00:00:00+09:00", "2024-03-01T00:00:00+09:00"]),
    ("@every 1h30m", None, "2024-01-01T00:00:00+00:00", ["2024-01-01T01:30:00+00:00", "2024-01-01T03:00:00+00:00"]),
    # The clock is put forward over 02:30, and put back over 01:30.
    ("30 2 * * *", "America/New_York", "2024-03-09T12:00:00-05:00", ["2024-03-11T02:30:00-04:00"]),
    (
        "30 1 * * *",
        "America/New_York",
        "2024-11-02T12:00:00-04:00",
        ["2024-11-03T01:30:00-04:00", "2024-11-03T01:30:00-05:00"],
    ),
]


@pytest.mark.parametrize(("text", "zone", "since", "expected"), MOMENTS, ids=[each[0] for each in MOMENTS])
def test_the_next_moments_are(text: str, zone: str | None, since: str, expected: list[str]) -> None:
    assert moments(text, zone, since, len(expected)) == expected


WRONG = [
    ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
    ("60 * * * *", "end of range (60) above maximum (59): 60"),
    ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
    ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
    ("*/0 * * * *", "step of range should be a positive number: */0"),
    ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
    ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
    ("1/2/3 * * * *", "too many slashes: 1/2/3"),
    ("@never", "unrecognized descriptor: @never"),
    ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
]


@pytest.mark.parametrize(("text", "why"), WRONG, ids=[each[0] for each in WRONG])
def test_what_is_no_schedule_is_refused_in_upstreams_words(text: str, why: str) -> None:
    with pytest.raises(cron.BadSchedule) as told:
        cron.parse(text)
    assert str(told.value) == why


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "Local", "/etc/localtime"])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    with pytest.raises(cron.BadSchedule, match="unknown time zone"):
        cron.zone_of(name)


def test_a_day_that_never_comes_has_no_next_moment() -> None:
    assert cron.parse("0 0 31 2 *").next(0.0, UTC) is None


@given(
    st.sampled_from(["*/7 * * * *", "0 */5 * * *", "15 3 1,15 * *", "0 12 * * 1-5", "59 23 31 12 *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(1_500_000_000, 1_900_000_000),
)
def test_moments_rise_and_match_their_fields(text: str, zone: str, since: int) -> None:
    schedule, where, now = cron.parse(text), cron.zone_of(zone), float(since)
    for _ in range(5):
        following = schedule.next(now, where)
        assert following is not None
        assert following > now
        local = datetime.fromtimestamp(following, where)
        assert (local.minute in schedule.minutes, local.hour in schedule.hours) == (True, True)
        assert (local.month in schedule.months, local.second) == (True, 0)
        now = following
