"""Links of a proxied site, made to lead through the proxy again. Pure.

A site behind `…/services/web/proxy/` believes it lives at `/`. As upstream's proxy does, absolute paths in redirects
and in the links of HTML get the proxy's own path put before them; other hosts and relative links are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import urlsplit, urlunsplit

# Attributes that hold one URL, as upstream's table of HTML elements.
_LINKS = "href|src|action|cite|classid|codebase|data|formaction|icon|longdesc|manifest|poster|profile|usemap|background"
_TAG = re.compile(rb"<[a-zA-Z][^<>]*>")
_LINK = re.compile(rb"""(\s(?:%b)\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""" % _LINKS.encode(), re.IGNORECASE)


def through(url: str, prefix: str, own_hosts: Container[str]) -> str:
    """`url` as it has to be seen from outside; `prefix` is the path up to and including `/proxy`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # nothing a browser could follow either
    if not parts.path.startswith("/") or (parts.netloc and parts.netloc not in own_hosts):
        return url
    if parts.path == prefix or parts.path.startswith(f"{prefix}/"):
        return urlunsplit(("", "", *parts[2:]))
    return urlunsplit(("", "", prefix + parts.path, parts.query, parts.fragment))


def html(page: bytes, prefix: str, own_hosts: Container[str]) -> bytes:
    """The page with its links rewritten; everything else stays byte for byte."""

    def link(found: re.Match[bytes]) -> bytes:
        value = found[2]
        quote = value[:1] if value[:1] in (b'"', b"'") else b""
        url = value.strip(b"\"'").decode("utf-8", "surrogateescape")
        return found[1] + quote + through(url, prefix, own_hosts).encode("utf-8", "surrogateescape") + quote

    return _TAG.sub(lambda tag: _LINK.sub(link, tag[0]), page)
