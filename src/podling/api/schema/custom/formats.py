"""The formats that upstream checks in strings of custom resources; others are hints for readers.

The list is that of the API reference of JSONSchemaProps (`format`).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Final
from urllib.parse import urlsplit

from podling.api import names

Test = Callable[[str], bool]

_UUID: Final = "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?%s[0-9a-fA-F]{3}-?%s[0-9a-fA-F]{3}-?[0-9a-fA-F]{12}"
_DURATION: Final = r"[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+|0"
_DATE_TIME: Final = r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"


def _parses(parse: Callable[[str], object], error: type[Exception] = ValueError) -> Test:
    def test(value: str) -> bool:
        try:
            parse(value)
        except error:
            return False
        return True

    return test


def _like(pattern: str) -> Test:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _date_time(value: str) -> bool:
    return _like(_DATE_TIME)(value) and _parses(datetime.fromisoformat)(value.upper())


def _uri(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme or value.startswith("/"))


def _base64(value: str) -> object:
    return base64.b64decode(value, validate=True)


FORMATS: Final[Mapping[str, Test]] = {
    "date": lambda value: _like(r"\d{4}-\d{2}-\d{2}")(value) and _parses(date.fromisoformat)(value),
    "date-time": _date_time,
    "datetime": _date_time,
    "duration": _like(_DURATION),
    "email": _like(r"[^@\s]+@[^@\s]+"),
    "hostname": _like(r"(?=.{1,255}$)[A-Za-z0-9]([A-Za-z0-9-]{0,62})?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62})?)*\.?"),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": lambda value: "/" in value and _parses(lambda text: ipaddress.ip_network(text, strict=False))(value),
    "mac": _like(r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}|([0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"),
    "uri": _uri,
    "uuid": _like(_UUID % ("[0-9a-fA-F]", "[0-9a-fA-F]")),
    "uuid3": _like(_UUID % ("3", "[0-9a-fA-F]")),
    "uuid4": _like(_UUID % ("4", "[89abAB]")),
    "uuid5": _like(_UUID % ("5", "[89abAB]")),
    "byte": _parses(_base64, binascii.Error),
    "hexcolor": _like("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _like(r"rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)"),
    "isbn10": _like("(?:[0-9]{9}X|[0-9]{10})"),
    "isbn13": _like("[0-9]{13}"),
    "creditcard": _like("[0-9]{13,16}"),
    "ssn": _like(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "k8s-short-name": lambda value: not names.dns_label(value),
    "k8s-long-name": lambda value: not names.dns_subdomain(value),
}
