"""Quantities: exact parsing, upstream's canonical text, comparison.

A quantity is a fixed-point number with at most nine decimals and a preferred way of writing (`DecimalSI`: 500m, 1k;
`BinarySI`: 1Gi; `DecimalExponent`: 1e3). It is held as an integer count of nano-units, so no arithmetic ever rounds;
finer input is rounded away from zero, as upstream does (API reference, `resource.Quantity`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, total_ordering
from typing import Final, Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

WRONG_FORMAT: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
WRONG_SUFFIX: Final = "unable to parse quantity's suffix"
WRONG_NUMBER: Final = "unable to parse numeric part of quantity"

NANO: Final = 10**9
DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
DECIMAL_SUFFIX: Final = {exponent: suffix for suffix, exponent in DECIMAL.items()}
BINARY_SUFFIX: Final = {bits: suffix for suffix, bits in BINARY.items()}

_TEXT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([^0-9+.-]*)([+-]?[0-9]*)")


class BadQuantity(ValueError):
    """The text is no quantity; the message is upstream's."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An amount. Equal amounts are equal however they are written."""

    nano: int
    """The amount times 10⁹."""
    format: Format = "DecimalSI"

    @property
    def value(self) -> int:
        """Whole units, rounded up: bytes of memory."""
        return -(-self.nano // NANO)

    @property
    def milli(self) -> int:
        """Thousandths, rounded up: millicores."""
        return -(-self.nano // 10**6)

    def __float__(self) -> float:
        return self.nano / NANO

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano + other.nano, self.format if self.nano else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nano - other.nano, self.format if self.nano else other.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nano, self.format)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nano == other.nano

    def __lt__(self, other: Quantity) -> bool:
        return self.nano < other.nano

    def __hash__(self) -> int:
        return hash(self.nano)

    def __bool__(self) -> bool:
        return self.nano != 0

    def __str__(self) -> str:
        """The canonical text: no fraction, the largest suffix that keeps the amount exact."""
        whole, rest = divmod(self.nano, NANO)
        if self.format == "BinarySI" and not rest and abs(whole) >= 1024:
            bits = 0
            while whole % 1024 == 0 and bits < 60:
                whole, bits = whole // 1024, bits + 10
            return f"{whole}{BINARY_SUFFIX.get(bits, '')}"
        return self._decimal()

    def _decimal(self) -> str:
        amount, exponent = self.nano, -9
        while amount and amount % 1000 == 0 and exponent < 18:
            amount, exponent = amount // 1000, exponent + 3
        if not amount:
            return "0"
        if self.format == "DecimalExponent":
            return f"{amount}e{exponent}" if exponent else str(amount)
        return f"{amount}{DECIMAL_SUFFIX[exponent]}"


def _scale(suffix: str, exponent: str) -> tuple[int, int, Format]:
    """(base, power, format) of a suffix and the digits after it. Raises BadQuantity."""
    if not exponent:
        if suffix in BINARY:
            return 2, BINARY[suffix], "BinarySI"
        if suffix in DECIMAL:
            return 10, DECIMAL[suffix], "DecimalSI"
    elif suffix in ("e", "E") and exponent not in ("+", "-"):
        return 10, int(exponent), "DecimalExponent"
    raise BadQuantity(WRONG_SUFFIX)


@lru_cache(maxsize=4096)
def parse(text: str) -> Quantity:
    """The quantity a text means. Raises BadQuantity with upstream's message."""
    found = _TEXT.fullmatch(text)
    if found is None or not text:
        raise BadQuantity(WRONG_FORMAT)
    sign, whole, fraction, suffix, exponent = found.groups()
    fraction = fraction or ""
    if not whole and not fraction:
        raise BadQuantity(WRONG_FORMAT)
    if suffix.strip("eEinumkKMGTP"):
        raise BadQuantity(WRONG_FORMAT)
    base, power, form = _scale(suffix, exponent)
    if abs(power) > 100:
        raise BadQuantity(WRONG_NUMBER)
    numerator, denominator = int(whole + fraction or "0") * NANO, 10 ** len(fraction)
    if power >= 0:
        numerator *= base**power
    else:
        denominator *= base**-power
    nano = -(-numerator // denominator)
    return Quantity(-nano if sign == "-" else nano, form)


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """`0.5` → `500m`, `1024Mi` → `1Gi`. Raises BadQuantity."""
    return str(parse(text))


def of(value: str | int | float) -> Quantity:
    """The quantity of a JSON value: text or number. Raises BadQuantity."""
    return parse(value if isinstance(value, str) else repr(value))


ZERO: Final = Quantity(0)
