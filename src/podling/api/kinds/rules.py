"""Rules that many kinds share: names of every sort, labels, selectors, ports, numbers.

A rule takes a value and gives texts of what is wrong with it; a check takes a path too and gives causes. The texts and
the regular expressions they quote are upstream's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from podling.api.errors import Cause
from podling.api.kinds import causes

Rule = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"


def regex_text(message: str, pattern: str, *examples: str) -> str:
    """`… (e.g. 'my-name',  or '123-abc', regex used for validation is '…')`."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {listed}regex used for validation is '{pattern}')"


def longest(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def _rule(pattern: str, limit: int, message: str, *examples: str) -> Rule:
    matches = re.compile(pattern).fullmatch
    text = regex_text(message, pattern, *examples)

    def check(value: str) -> list[str]:
        found = [longest(limit)] if limit and len(value.encode()) > limit else []
        return found if matches(value) else [*found, text]

    return check


dns1123_label: Final = _rule(
    _LABEL,
    63,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character",
    "my-name",
    "123-abc",
)
dns1123_subdomain: Final = _rule(
    _SUBDOMAIN,
    253,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character",
    "example.com",
)
dns1035_label: Final = _rule(
    "[a-z]([-a-z0-9]*[a-z0-9])?",
    63,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    "my-name",
    "abc-123",
)
c_identifier: Final = _rule(
    "[A-Za-z_][A-Za-z0-9_]*",
    0,
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_'",
    "my_name",
    "MY_NAME",
    "MyName",
)
label_value: Final = _rule(
    _VALUE,
    63,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character",
    "MyValue",
    "my_value",
    "12345",
)
_name_part: Final = _rule(
    _QUALIFIED,
    63,
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character",
    "MyName",
    "my.name",
    "123-abc",
)
_config_key: Final = _rule(
    "[-._a-zA-Z0-9]+",
    253,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "key.name",
    "KEY_NAME",
    "key-name",
)


def path_segment_name(value: str) -> list[str]:
    """Names that only have to fit into a URL path (RBAC)."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{bad}'" for bad in ("/", "%") if bad in value]


def qualified_name(value: str) -> list[str]:
    """A label key, finalizer, taint key: an optional DNS prefix, a slash, a name."""
    prefix, slash, name = value.rpartition("/")
    if slash and "/" in prefix:
        return [
            "a qualified name "
            + regex_text(
                "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
                "character",
                _QUALIFIED,
                "MyName",
                "my.name",
                "123-abc",
            )
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    found: list[str] = []
    if slash:
        found += ["prefix part must be non-empty"] if not prefix else []
        found += [f"prefix part {text}" for text in dns1123_subdomain(prefix)] if prefix else []
    if not name:
        found.append("name part must be non-empty")
    if len(name.encode()) > 63:
        found.append(f"name part {longest(63)}")
    if not re.fullmatch(_QUALIFIED, name):
        found.append(_name_part("")[-1])
    return found


def config_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret: usable as a file name."""
    found = _config_key(value)
    if value == ".":
        return [*found, "must not be '.'"]
    if value == "..":
        return [*found, "must not be '..'"]
    return [*found, "must not start with '..'"] if value.startswith("..") else found


def env_name(value: str) -> list[str]:
    """Any printable ASCII but '='."""
    if not value or any(not 32 <= ord(char) < 127 or char == "=" for char in value):
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    return []


def port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(value: str) -> list[str]:
    """An IANA service name."""
    found = []
    if len(value) > 15:
        found.append("must be no more than 15 characters")
    if not re.fullmatch("[-a-z0-9]+", value):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return found


def http_header_name(value: str) -> list[str]:
    pattern = "[-A-Za-z0-9]+"
    if re.fullmatch(pattern, value):
        return []
    return [regex_text("a valid HTTP header must consist of alphanumeric characters or '-'", pattern, "X-Header-Name")]


def ip(value: str) -> list[str]:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return []


# ---- checks: a path and a value give causes ----


def all_invalid(path: str, value: Any, texts: Iterable[str]) -> list[Cause]:
    return [causes.invalid(path, value, text) for text in texts]


def one_of(path: str, value: Any, options: Iterable[str]) -> list[Cause]:
    """`value` must be one of the options, which are listed in sorted order."""
    options = sorted(options)
    return [] if value in options else [causes.unsupported(path, value, options)]


def not_negative(path: str, value: int | None) -> list[Cause]:
    if value is None or value >= 0:
        return []
    return [causes.invalid(path, value, "must be greater than or equal to 0")]


def port(path: str, value: int | str) -> list[Cause]:
    """An IntOrString: a number of 1–65535 or the name of a port."""
    return all_invalid(path, value, port_name(value) if isinstance(value, str) else port_number(value))


def labels(path: str, value: Mapping[str, str] | None) -> list[Cause]:
    found: list[Cause] = []
    for key, text in (value or {}).items():
        found += all_invalid(path, key, qualified_name(key))
        found += all_invalid(path, text, label_value(text))
    return found


def label_selector(path: str, selector: Mapping[str, Any] | None) -> list[Cause]:
    """A metav1.LabelSelector."""
    if not selector:
        return []
    found = labels(f"{path}.matchLabels", selector.get("matchLabels"))
    for index, term in enumerate(selector.get("matchExpressions") or ()):
        found += _expression(f"{path}.matchExpressions[{index}]", term)
    return found


def _expression(path: str, term: Mapping[str, Any]) -> list[Cause]:
    operator, values = term.get("operator", ""), term.get("values") or []
    found: list[Cause] = []
    if operator in ("In", "NotIn"):
        if not values:
            found.append(causes.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            found.append(
                causes.forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
            )
    else:
        found.append(causes.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    found += all_invalid(f"{path}.key", term.get("key", ""), qualified_name(term.get("key", "")))
    for index, value in enumerate(values):
        found += all_invalid(f"{path}.values[{index}]", value, label_value(value))
    return found
