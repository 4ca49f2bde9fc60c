"""What was found out on the way and is no error goes out as `Warning: 299 - "…"` headers (RFC 7234, KEP-1693)."""

from __future__ import annotations

from collections.abc import Iterator

from podling.apiserver.message import Outcome, Request, Upgrade

MAX_TOTAL = 4096


class Headers:
    """Puts the Audit-ID and the warnings on the answer."""

    def leave(self, request: Request, outcome: Outcome) -> None:
        if request.in_process or isinstance(outcome, Upgrade):
            return
        headers = [("Audit-Id", request.audit_id), *outcome.headers]
        if not outcome.headers or all(name != "Cache-Control" for name, _ in outcome.headers):
            headers.append(("Cache-Control", "no-cache, private"))
        outcome.headers = headers
        if request.warnings:
            headers += _warnings(request.warnings)


def _warnings(texts: list[str]) -> Iterator[tuple[str, str]]:
    """As many as fit: upstream's limit for all of them together."""
    size = 0
    for text in texts:
        size += len(text)
        if size > MAX_TOTAL:
            return
        yield "Warning", f'299 - "{quoted(text)}"'


def quoted(text: str) -> str:
    """The inside of a quoted string: no control characters, quotes and backslashes escaped."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')
