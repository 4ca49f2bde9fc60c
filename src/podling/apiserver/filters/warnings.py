"""What was found out on the way and is no error goes out as `Warning: 299 - "…"` headers (RFC 7234, KEP-1693)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podling.apiserver.message import Outcome, Request, Upgrade

MAX_TOTAL = 4096


class Warnings:
    def leave(self, request: Request, outcome: Outcome) -> None:
        if request.warnings and not isinstance(outcome, Upgrade):
            outcome.headers = [*outcome.headers, *_warnings(request.warnings)]


def _warnings(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
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
