"""The ways in which webhooks fail or refuse, in upstream's words (`webhookutil.ErrCallingWebhook`, `ToStatusErr`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podling.api.errors import ApiError, BadRequest, InternalError


class CallFailed(Exception):
    """The webhook could not be asked or gave no answer: `failurePolicy` says what that means."""

    def __init__(self, webhook: str, why: str) -> None:
        super().__init__(f"failed calling webhook {quoted(webhook)}: {why}")

    def error(self) -> InternalError:
        return InternalError(f"Internal error occurred: {self}")


class Denied(ApiError):
    """No, with the Status that the webhook gave."""

    def __init__(self, status: Mapping[str, Any]) -> None:
        super().__init__(str(status["message"]))
        self._status = status
        self.code = int(status["code"])  # type: ignore[misc]  # whatever the webhook says

    def status(self) -> dict[str, Any]:
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, **self._status}


def denied(webhook: str, said: Mapping[str, Any] | None) -> Denied:
    """Never below 400, never a success, always with the name of who refused."""
    by = f"admission webhook {quoted(webhook)} denied the request"
    given = said or {}
    why = given.get("message") or given.get("reason")
    code = given.get("code")
    status: dict[str, Any] = {"status": "Failure", "message": f"{by}: {why}" if why else f"{by} without explanation"}
    if given.get("reason"):
        status["reason"] = given["reason"]
    if given.get("details"):
        status["details"] = given["details"]
    return Denied({**status, "code": code if isinstance(code, int) and 400 <= code < 600 else 400})


def no_dry_run(webhook: str) -> BadRequest:
    return BadRequest(f"admission webhook {quoted(webhook)} does not support dry run")


def quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
