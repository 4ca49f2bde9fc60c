"""Times as they stand in JSON: RFC 3339 in, upstream's one spelling out, Go's words for what is no time.

`metav1.Time` keeps whole seconds in UTC, `metav1.MicroTime` six decimals. Nothing here asks a clock.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

LAYOUT: Final = "2006-01-02T15:04:05Z07:00"
MICRO_LAYOUT: Final = "2006-01-02T15:04:05.999999Z07:00"
_CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)")
# The pieces of the layout in Go's names, with what each has to look like.
_PIECES: Final = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d\d"),
    ("-", "-"),
    ("02", r"\d\d"),
    ("T", "T"),
    ("15", r"\d\d"),
    (":", ":"),
    ("04", r"\d\d"),
    (":", ":"),
    ("05", r"\d\d"),
    ("", r"(?:[.,]\d+)?"),
    ("Z07:00", r"(?:Z|[+-]\d\d:\d\d)"),
)
_RANGES: Final = (
    ("month", 5, 1, 12),
    ("day", 8, 1, 31),
    ("hour", 11, 0, 23),
    ("minute", 14, 0, 59),
    ("second", 17, 0, 59),
)


class BadTime(ValueError):
    """The text is no RFC 3339 time; the message is Go's."""


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """A `metav1.Time`: UTC, whole seconds. Raises BadTime."""
    moment = _parse(text, LAYOUT)
    if _CANONICAL.fullmatch(text):
        return text
    return _iso(moment) + "Z"


@lru_cache(maxsize=1024)
def canonical_micro(text: str) -> str:
    """A `metav1.MicroTime`: UTC, six decimals. Raises BadTime."""
    moment = _parse(text, MICRO_LAYOUT)
    return f"{_iso(moment)}.{moment.microsecond:06d}Z"


def from_unix(seconds: int, nanos: int = 0, *, micro: bool = False) -> str:
    """The text of a protobuf timestamp. Raises BadTime beyond the years 1 to 9999."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise BadTime("Time.MarshalJSON: year outside of range [0,9999]") from None
    return f"{_iso(moment)}.{nanos // 1000:06d}Z" if micro else f"{_iso(moment)}Z"


def to_unix(text: str) -> tuple[int, int]:
    """(seconds, nanos) of an RFC 3339 time, the protobuf form. Raises BadTime."""
    moment = _parse(text, LAYOUT)
    return int(moment.replace(microsecond=0).timestamp()), moment.microsecond * 1000


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=None, microsecond=0).isoformat()


def _parse(text: str, layout: str) -> datetime:
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise BadTime(_complaint(text, layout))
    date, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{date}.{(fraction or '0')[:6]:0<6}{zone}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadTime(_complaint(text, layout)) from None


def _complaint(text: str, layout: str) -> str:
    at = 0
    for piece, pattern in _PIECES:
        found = re.compile(pattern).match(text, at)
        if found is None:
            return f'parsing time {json.dumps(text)} as "{layout}": cannot parse {json.dumps(text[at:])} as "{piece}"'
        at = found.end()
    if at < len(text):
        return f"parsing time {json.dumps(text)}: extra text: {json.dumps(text[at:])}"
    for name, start, low, high in _RANGES:
        if not low <= int(text[start : start + 2]) <= high:
            return f"parsing time {json.dumps(text)}: {name} out of range"
    return f"parsing time {json.dumps(text)}: day out of range"
