"""Moments and spans to text and back: RFC 3339 and Go's durations, to the nanosecond."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.values import NANO, Duration, Timestamp, moment, span

_MOMENT: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
_PART: Final = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS: Final = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 10**6,
    "s": NANO,
    "m": 60 * NANO,
    "h": 3600 * NANO,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_day(text: str) -> Timestamp:
    """`2020-12-31`: its first moment. Raises CelEvaluationError."""
    return read_moment(f"{text}T00:00:00Z")


def read_moment(text: str) -> Timestamp:
    """Raises CelEvaluationError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise CelEvaluationError(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}"')
    year, month, day, hour, minute, second = (int(each) for each in match.groups()[:6])
    try:
        seconds = (datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
    except ValueError:
        raise CelEvaluationError(f'parsing time "{text}": value out of range') from None
    sign, hours, minutes = match.groups()[7:]
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds -= offset if sign == "+" else -offset
    return moment(seconds * NANO + int((match[7] or "").ljust(9, "0")))


def write_moment(value: Timestamp) -> str:
    seconds, nanos = divmod(value.nanos, NANO)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    year, _, rest = text.partition("-")
    return f"{year.zfill(4)}-{rest}{_fraction(nanos)}Z"


def _fraction(nanos: int) -> str:
    return f".{nanos:09d}".rstrip("0") if nanos else ""


def read_span(text: str) -> Duration:
    """Go's `1h15m30.5s`. Raises CelEvaluationError."""
    rest = text.lstrip("+-") if text[:2] not in ("++", "--", "+-", "-+") else ""
    if rest == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(rest):
        match = _PART.match(rest, at)
        if match is None or not (match[1] or match[2]):
            at = -1
            break
        unit = _UNITS[match[3]]
        total += int(match[1] or "0") * unit
        if match[2]:
            total += int(match[2]) * unit // 10 ** len(match[2])
        at = match.end()
    if at <= 0:
        raise CelEvaluationError(f'time: invalid duration "{text}"')
    return span(-total if text.startswith("-") else total)


def write_span(value: Duration) -> str:
    """As CEL's `string()` says it: seconds."""
    seconds, nanos = divmod(abs(value.nanos), NANO)
    return f"{'-' if value.nanos < 0 else ''}{seconds}{_fraction(nanos)}s"
