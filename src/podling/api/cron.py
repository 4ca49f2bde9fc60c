"""Schedules in the words of crontab(5), as CronJobs write them, and the moments they mean.

Five fields (minute, hour, day of month, month, day of week), names of months and days, ranges, steps, `@daily` and its
kin, `@every 1h30m`. Where both days are restricted either is enough. Hours that a clock change leaves out are skipped,
hours that it repeats come twice. Findings are in the words of upstream's parser, which users know.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_BOUNDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)
_DAYS_AHEAD = 366 * 5


class BadSchedule(ValueError):
    """The text is no schedule, or the name no time zone; says why."""


class Schedule(msgspec.Struct, frozen=True):
    """`every` seconds, or the allowed values of the fields; days of the week begin with Sunday as 0."""

    every: float = 0.0
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    either_day: bool = False
    """Day of month and day of week are both restricted: one of them is enough."""

    def next(self, after: float, zone: tzinfo) -> float | None:
        """The first moment after `after` (wall clock, seconds); None where there is none for five years."""
        if self.every:
            return float(int(after + self.every))
        begin = datetime.fromtimestamp(after, zone)
        for ahead in range(_DAYS_AHEAD):
            day = begin.date() + timedelta(days=ahead)
            if self._takes(day):
                # The hour before the first is looked at too, for a clock that was put back.
                found = self._on(day, begin.hour - 1 if not ahead else 0, after, zone)
                if found is not None:
                    return found
        return None

    def _takes(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (in_month or in_week) if self.either_day else (in_month and in_week)

    def _on(self, day: date, first_hour: int, after: float, zone: tzinfo) -> float | None:
        for hour in self.hours:
            if hour < first_hour:
                continue
            for fold in (0, 1):
                for minute in self.minutes:
                    local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
                    moment = local.timestamp()
                    if moment > after and datetime.fromtimestamp(moment, zone).hour == hour:
                        return moment
        return None


def zone_of(name: str | None) -> tzinfo:
    """UTC without a name. Raises BadSchedule."""
    try:
        if name is not None and name.lower() == "local":
            raise ValueError(name)
        return ZoneInfo(name or "UTC")
    except (OSError, ValueError, KeyError):
        raise BadSchedule(f"unknown time zone {name}") from None


@lru_cache(maxsize=1024)
def parse(text: str) -> Schedule:
    """Raises BadSchedule."""
    if text.startswith("@every "):
        return Schedule(every=max(1.0, float(int(_duration(text.removeprefix("@every ").strip(), text)))))
    if text.startswith("@"):
        if text not in DESCRIPTORS:
            raise BadSchedule(f"unrecognized descriptor: {text}")
        text = DESCRIPTORS[text]
    fields = text.split()
    if len(fields) != 5:
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (
        _field(field, *bounds) for field, bounds in zip(fields, _BOUNDS, strict=True)
    )
    return Schedule(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=weekdays,
        either_day=not (_is_star(fields[2]) or _is_star(fields[4])),
    )


def _is_star(field: str) -> bool:
    return any(part.startswith(("*", "?")) and part.partition("/")[2] in ("", "1") for part in field.split(","))


def _field(field: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    return frozenset(value for part in field.split(",") if part for value in _range(part, low, high, names))


def _range(part: str, low: int, high: int, names: dict[str, int]) -> range:
    ends, *steps = part.split("/")
    first, *rest = ends.split("-")
    if len(steps) > 1:
        raise BadSchedule(f"too many slashes: {part}")
    if len(rest) > 1:
        raise BadSchedule(f"too many hyphens: {part}")
    if first in ("*", "?"):
        begin, end = low, high
    else:
        begin = _number(first, names)
        end = _number(rest[0], names) if rest else high if steps else begin
    step = _number(steps[0], {}) if steps else 1
    if begin < low:
        raise BadSchedule(f"beginning of range ({begin}) below minimum ({low}): {part}")
    if end > high:
        raise BadSchedule(f"end of range ({end}) above maximum ({high}): {part}")
    if begin > end:
        raise BadSchedule(f"beginning of range ({begin}) beyond end of range ({end}): {part}")
    if step == 0:
        raise BadSchedule(f"step of range should be a positive number: {part}")
    return range(begin, end + 1, step)


def _number(text: str, names: dict[str, int]) -> int:
    known = names.get(text.lower())
    if known is not None:
        return known
    if re.fullmatch(r"-[0-9]+", text):
        raise BadSchedule(f"negative number ({text}) not allowed: {text}")
    if not re.fullmatch(r"[0-9]+", text):
        raise BadSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _duration(text: str, whole: str) -> float:
    """Go's durations: `1h30m`, `90s`."""
    pieces = re.findall(r"([0-9]*\.?[0-9]+)(h|ms|us|µs|ns|m|s)", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise BadSchedule(f'failed to parse duration {whole}: time: invalid duration "{text}"')
    return sum(float(number) * _UNITS[unit] for number, unit in pieces)
