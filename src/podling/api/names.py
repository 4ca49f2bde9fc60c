"""What names may look like: upstream's validators, each answering with upstream's own sentences.

A validator takes the value and returns the messages of what is wrong with it, none when it is right; the caller puts
them after `Invalid value: "x": `. Formats are those of the Kubernetes documentation page "Object Names and IDs".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN: Final = rf"{LABEL}(\.{LABEL})*"
CASELESS_SUBDOMAIN: Final = r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?(\.[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*"
LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
WILDCARD: Final = rf"\*\.{SUBDOMAIN}"
QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
LABEL_VALUE: Final = f"({QUALIFIED})?"
C_IDENTIFIER: Final = "[A-Za-z_][A-Za-z0-9_]*"
ENV_NAME: Final = "[-._a-zA-Z][-._a-zA-Z0-9]*"
CONFIG_KEY: Final = "[-._a-zA-Z0-9]+"
HTTP_HEADER: Final = "[-A-Za-z0-9]+"
PERCENT: Final = "[0-9]+%"

_EDGES = "and must start and end with an alphanumeric character"
LABEL_SAYS: Final = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_EDGES}"
SUBDOMAIN_SAYS: Final = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_EDGES}"
)
CASELESS_SAYS: Final = f"an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', {_EDGES}"
LABEL_1035_SAYS: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character"
)
WILDCARD_SAYS: Final = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of"
    " lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
QUALIFIED_SAYS: Final = f"must consist of alphanumeric characters, '-', '_' or '.', {_EDGES}"
LABEL_VALUE_SAYS: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " + _EDGES
)
C_IDENTIFIER_SAYS: Final = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric"
    " characters or '_'"
)
ENV_NAME_SAYS: Final = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.',"
    " and must not start with a digit"
)
RELAXED_ENV_NAME_SAYS: Final = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
CONFIG_KEY_SAYS: Final = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
HTTP_HEADER_SAYS: Final = "a valid HTTP header must consist of alphanumeric characters or '-'"
PERCENT_SAYS: Final = "a valid percent string must be a numeric string followed by an ending '%'"

EMPTY: Final = "must be non-empty"
IP_SAYS: Final = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_SAYS: Final = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def too_long(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def between(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def mismatch(says: str, pattern: str, *examples: str) -> str:
    """The sentence upstream makes of a pattern that did not match; two spaces before `or` are upstream's."""
    if not examples:
        return f"{says} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{says} (e.g. {shown}regex used for validation is '{pattern}')"


@cache
def _compiled(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(pattern).fullmatch


def _matches(pattern: str, value: str) -> bool:
    return _compiled(pattern)(value) is not None


def _length(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode())


def dns_label(value: str) -> list[str]:
    """An RFC 1123 label: names of Namespaces, containers, ports of Services."""
    return [] if len(value) <= 63 and _is_dns_label(value) else _dns_label(value)


@lru_cache(maxsize=4096)
def _is_dns_label(value: str) -> bool:
    return not _dns_label(value)


def _dns_label(value: str) -> list[str]:
    out = [too_long(63)] if _length(value) > 63 else []
    if not _matches(LABEL, value):
        dotted = _matches(SUBDOMAIN, value)
        out.append("must not contain dots" if dotted else mismatch(LABEL_SAYS, LABEL, "my-name", "123-abc"))
    return out


def dns_subdomain(value: str) -> list[str]:
    """An RFC 1123 subdomain: the names of most objects."""
    out = [too_long(253)] if _length(value) > 253 else []
    if not _matches(SUBDOMAIN, value):
        out.append(mismatch(SUBDOMAIN_SAYS, SUBDOMAIN, "example.com"))
    return out


def dns_subdomain_caseless(value: str) -> list[str]:
    out = [too_long(253)] if _length(value) > 253 else []
    if not _matches(CASELESS_SUBDOMAIN, value):
        out.append(mismatch(CASELESS_SAYS, CASELESS_SUBDOMAIN, "example.com"))
    return out


def dns_1035_label(value: str) -> list[str]:
    """An RFC 1035 label: the names of Services."""
    out = [too_long(63)] if _length(value) > 63 else []
    if not _matches(LABEL_1035, value):
        out.append(mismatch(LABEL_1035_SAYS, LABEL_1035, "my-name", "abc-123"))
    return out


def wildcard_subdomain(value: str) -> list[str]:
    """`*.` and a subdomain: hosts of Ingresses."""
    out = [too_long(253)] if _length(value) > 253 else []
    if not _matches(WILDCARD, value):
        out.append(mismatch(WILDCARD_SAYS, WILDCARD, "*.example.com"))
    return out


def qualified_name(value: str) -> list[str]:
    """`name` or `prefix.example.com/name`: keys of labels and annotations, resource names."""
    # The same few keys come again and again; only a wrong one pays for the sentences.
    return [] if len(value) <= 317 and _is_qualified(value) else _qualified_name(value)


@lru_cache(maxsize=4096)
def _is_qualified(value: str) -> bool:
    return not _qualified_name(value)


def _qualified_name(value: str) -> list[str]:
    pattern = mismatch(QUALIFIED_SAYS, QUALIFIED, "MyName", "my.name", "123-abc")
    parts = value.split("/")
    if len(parts) > 2:
        return [f"a qualified name {pattern} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    out = []
    if len(parts) == 2:
        if not parts[0]:
            out.append(f"prefix part {EMPTY}")
        else:
            out += [f"prefix part {message}" for message in dns_subdomain(parts[0])]
    name = parts[-1]
    if not name:
        out.append(f"name part {EMPTY}")
    elif _length(name) > 63:
        out.append(f"name part {too_long(63)}")
    if not _matches(QUALIFIED, name):
        out.append(f"name part {pattern}")
    return out


def label_value(value: str) -> list[str]:
    return [] if len(value) <= 63 and _is_label_value(value) else _label_value(value)


@lru_cache(maxsize=4096)
def _is_label_value(value: str) -> bool:
    return not _label_value(value)


def _label_value(value: str) -> list[str]:
    out = [too_long(63)] if _length(value) > 63 else []
    if not _matches(LABEL_VALUE, value):
        out.append(mismatch(LABEL_VALUE_SAYS, LABEL_VALUE, "MyValue", "my_value", "12345"))
    return out


def port_name(value: str) -> list[str]:
    """An IANA service name: names of container ports and of target ports."""
    out = []
    if _length(value) > 15:
        out.append(too_long(15).replace("bytes", "characters"))
    if not _matches("[-a-z0-9]+", value):
        out.append("must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        out.append("must contain at least one letter (a-z)")
    if "--" in value:
        out.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        out.append("must not begin or end with a hyphen")
    return out


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else [between(1, 65535)]


def c_identifier(value: str) -> list[str]:
    if _matches(C_IDENTIFIER, value):
        return []
    return [mismatch(C_IDENTIFIER_SAYS, C_IDENTIFIER, "my_name", "MY_NAME", "MyName")]


def env_name(value: str, *, relaxed: bool = True) -> list[str]:
    """Names of environment variables; since 1.34 any printable ASCII but `=` is allowed."""
    if relaxed:
        if not value:
            return ["environment variable name " + EMPTY]
        return [] if all(" " <= char <= "~" and char != "=" for char in value) else [RELAXED_ENV_NAME_SAYS]
    out = []
    if not _matches(ENV_NAME, value):
        out.append(mismatch(ENV_NAME_SAYS, ENV_NAME, "my.env-name", "MY_ENV.NAME", "MyEnvName1"))
    return out + _dots(value)


def config_key(value: str) -> list[str]:
    """Keys of ConfigMaps and Secrets."""
    return [] if len(value) <= 253 and _is_config_key(value) else _config_key(value)


@lru_cache(maxsize=4096)
def _is_config_key(value: str) -> bool:
    return not _config_key(value)


def _config_key(value: str) -> list[str]:
    out = [too_long(253)] if _length(value) > 253 else []
    if not _matches(CONFIG_KEY, value):
        out.append(mismatch(CONFIG_KEY_SAYS, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return out + _dots(value)


def _dots(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def path_segment(value: str) -> list[str]:
    """A name that is safe in a URL path: RBAC objects and custom names."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def http_header(value: str) -> list[str]:
    return [] if _matches(HTTP_HEADER, value) else [mismatch(HTTP_HEADER_SAYS, HTTP_HEADER, "X-Header-Name")]


def percent(value: str) -> list[str]:
    return [] if _matches(PERCENT, value) else [mismatch(PERCENT_SAYS, PERCENT, "1%", "93%")]


def ip_address(value: str) -> list[str]:
    """An IPv4 or IPv6 address; leading zeros in IPv4 are refused as upstream does for new objects."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return [IP_SAYS]
    return [] if "%" not in value else [IP_SAYS]


def cidr(value: str) -> list[str]:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return [CIDR_SAYS]
    return [] if "/" in value and _matches(r".*/\d+", value) else [CIDR_SAYS]


def generated(base: str) -> str:
    """A generateName as it is validated: a trailing dash stands for the suffix to come."""
    return f"{base[:-1]}a" if len(base) > 1 and base.endswith("-") else base
