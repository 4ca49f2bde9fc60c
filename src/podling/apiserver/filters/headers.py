"""What was found out on the way and is no error goes out as `Warning: 299 - "…"` headers (RFC 7234, KEP-1693)."""

from __future__ import annotations

from podling.apiserver.message import Outcome, Request, Upgrade

MAX_TOTAL = 4096


class Headers:
    """Puts the Audit-ID and the warnings on the answer."""

    def leave(self, request: Request, outcome: Outcome) -> None:
        if request.in_process or isinstance(outcome, Upgrade):
            return
        headers = [("Audit-Id", request.audit_id), ("Cache-Control", "no-cache, private"), *outcome.headers]
        if any(name == "Cache-Control" for name, _ in outcome.headers):
            headers.pop(1)
        size = 0
        for text in request.warnings:
            size += len(text)
            if size > MAX_TOTAL:
                break
            headers.append(("Warning", f'299 - "{quoted(text)}"'))
        outcome.headers = headers


def quoted(text: str) -> str:
    """The inside of a quoted string: no control characters, quotes and backslashes escaped."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')
