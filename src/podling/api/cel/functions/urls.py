"""Kubernetes' library of URLs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, text_of, walked, wrong
from podling.api.cel.values import Value

_PATH: Final = "/%:@-._~!$&'()*+,;="


@dataclass(frozen=True, slots=True)
class Url(Value):
    parts: SplitResult
    type_name = "kubernetes.URL"


def _parsed(text: str) -> Url:
    """As Go's ParseRequestURI: with a scheme, or a path from the root. Raises ValueError."""
    if not text:
        raise ValueError("empty url")
    if any(ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        raise ValueError("net/url: invalid control character in URL")
    if text.startswith("/") and not text.startswith("//"):
        path, _, query = text.partition("?")
        return Url(SplitResult("", "", path, query, ""))
    parts = urlsplit(text, allow_fragments=False)
    if not parts.scheme:
        raise ValueError("invalid URI for request")
    if " " in parts.netloc:
        raise ValueError('invalid character " " in host name')
    if parts.netloc:
        _ = parts.port  # refuses what is no port
    elif not parts.path.startswith("/"):
        raise ValueError("invalid URI for request")
    return Url(parts)


def _url(value: Any) -> Url:
    try:
        return _parsed(text_of(value))
    except ValueError as error:
        text = f'URL parse error during conversion from string: parse "{value}": {error}'
        raise CelEvaluationError(text) from None


def is_url(value: Any) -> bool:
    try:
        _parsed(text_of(value))
    except ValueError:
        return False
    return True


def _parts(value: Any) -> SplitResult:
    if isinstance(value, Url):
        return value.parts
    raise wrong()


def _host(value: Any) -> str:
    return _parts(value).netloc.rpartition("@")[2]


def _hostname(value: Any) -> str:
    host = _host(value)
    if host.startswith("["):
        return host[1 : host.find("]")]
    return host.partition(":")[0]


def _port(value: Any) -> str:
    port = _host(value).rpartition("]")[2] if "]" in _host(value) else _host(value)
    return port.partition(":")[2]


def _query(value: Any) -> dict[str, list[str]]:
    return parse_qs(_parts(value).query, keep_blank_values=True)


FUNCTIONS: Final = (
    Function("url", _url, ("(string) -> kubernetes.URL",), walked),
    Function("isURL", is_url, ("(string) -> bool",), walked),
    Function("getScheme", lambda value: _parts(value).scheme, ("kubernetes.URL.() -> string",)),
    Function("getHost", _host, ("kubernetes.URL.() -> string",)),
    Function("getHostname", _hostname, ("kubernetes.URL.() -> string",)),
    Function("getPort", _port, ("kubernetes.URL.() -> string",)),
    Function("getEscapedPath", lambda value: quote(_parts(value).path, safe=_PATH), ("kubernetes.URL.() -> string",)),
    Function("getQuery", _query, ("kubernetes.URL.() -> map<string, list<string>>",)),
)
