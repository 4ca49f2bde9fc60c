"""Links of proxied sites, as a table."""

from __future__ import annotations

import pytest

from podling.apiserver.streams.rewriting import html, through

PREFIX = "/api/v1/namespaces/default/services/web/proxy"
HOSTS = ("10.244.0.9", "10.244.0.9:8080", "localhost:8001")


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("/login?next=/#top", f"{PREFIX}/login?next=/#top"),
        ("/", f"{PREFIX}/"),
        ("login", "login"),
        ("../login", "../login"),
        ("#top", "#top"),
        ("", ""),
        ("http://10.244.0.9:8080/login", f"{PREFIX}/login"),
        ("http://localhost:8001/login", f"{PREFIX}/login"),
        ("https://example.com/login", "https://example.com/login"),
        ("//example.com/login", "//example.com/login"),
        ("http://[broken/", "http://[broken/"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        (f"{PREFIX}/login", f"{PREFIX}/login"),
    ],
)
def test_urls_lead_through_the_proxy(url: str, seen: str) -> None:
    assert through(url, PREFIX, HOSTS) == seen


def test_only_links_of_a_page_change() -> None:
    page = b"""<!DOCTYPE html><a  href='/x?a=1&amp;b=2' title="/x">/x href="/y"</a><img src=/logo.png alt=x>\xff
<form action="/go" method=post><a href="https://example.com/">out</a><br/><a HREF = "rel">"""
    p = PREFIX.encode()
    assert html(page, PREFIX, HOSTS) == (
        b'<!DOCTYPE html><a  href=\'%b/x?a=1&amp;b=2\' title="/x">/x href="/y"</a><img src=%b/logo.png alt=x>\xff\n'
        b'<form action="%b/go" method=post><a href="https://example.com/">out</a><br/><a HREF = "rel">' % (p, p, p)
    )
