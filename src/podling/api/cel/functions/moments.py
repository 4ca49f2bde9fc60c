"""Parts of moments and spans: `getFullYear()`, `getHours('Europe/Berlin')`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, wrong
from podling.api.cel.values import NANO, Duration, Timestamp

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OFFSET: Final = re.compile(r"([+-]?)(\d{1,2}):(\d{2})")


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    if match := _OFFSET.fullmatch(name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CelEvaluationError(f"unknown time zone {name}") from None


def _date(value: Timestamp, zone: Any) -> datetime:
    if zone.__class__ is not str:
        raise wrong()
    return (_EPOCH + timedelta(seconds=value.nanos // NANO)).astimezone(_zone(zone))


def _part(of_date: Callable[[datetime], int], of_span: Callable[[int], int] | None = None) -> Callable[..., int]:
    def run(value: Any, zone: Any = "UTC") -> int:
        if value.__class__ is Timestamp:
            return of_date(_date(value, zone))
        if value.__class__ is Duration and of_span is not None:
            nanos = abs(value.nanos)
            return of_span(nanos) if value.nanos >= 0 else -of_span(nanos)
        raise wrong()

    return run


def _milliseconds(value: Any, zone: Any = "UTC") -> int:
    if value.__class__ is Timestamp:
        return int(value.nanos % NANO // 10**6)
    if value.__class__ is Duration:
        return int(abs(value.nanos) // 10**6 * (1 if value.nanos >= 0 else -1))
    raise wrong()


FUNCTIONS: Final = (
    Function("getFullYear", _part(lambda date: date.year)),
    Function("getMonth", _part(lambda date: date.month - 1)),
    Function("getDate", _part(lambda date: date.day)),
    Function("getDayOfMonth", _part(lambda date: date.day - 1)),
    Function("getDayOfWeek", _part(lambda date: date.isoweekday() % 7)),
    Function("getDayOfYear", _part(lambda date: date.timetuple().tm_yday - 1)),
    Function("getHours", _part(lambda date: date.hour, lambda nanos: nanos // (3600 * NANO))),
    Function("getMinutes", _part(lambda date: date.minute, lambda nanos: nanos // (60 * NANO))),
    Function("getSeconds", _part(lambda date: date.second, lambda nanos: nanos // NANO)),
    Function("getMilliseconds", _milliseconds),
)
