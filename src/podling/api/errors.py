"""One exception class per reason of `metav1.Status`, raised anywhere, turned into a `Status` in one filter.

The reasons, codes and message forms are those of the Kubernetes API conventions ("Error codes").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Cause:
    """One finding of a validation: `reason` as in metav1.CauseType, `field` a path like `spec.containers[0].name`.

    `message` is the detail without the path, e.g. `Required value: name or generateName is required`.
    """

    reason: str
    message: str
    field: str = ""

    def to_json(self) -> dict[str, Any]:
        out = {"reason": self.reason, "message": self.message}
        return out | {"field": self.field} if self.field else out


class ApiError(Exception):
    """A request that failed; carries everything a `Status` says."""

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(
        self,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        uid: str = "",
        causes: Iterable[Cause] = (),
        retry_after: int = 0,
    ) -> None:
        """`kind` is what details.kind holds: the resource (plural) for most reasons, the kind for Invalid."""
        super().__init__(message)
        self.message = message
        self.group, self.kind, self.name, self.uid = group, kind, name, uid
        self.causes = tuple(causes)
        self.retry_after = retry_after

    def details(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            key: value
            for key, value in (
                ("name", self.name),
                ("group", self.group),
                ("kind", self.kind),
                ("uid", self.uid),
            )
            if value
        }
        if self.causes:
            out["causes"] = [cause.to_json() for cause in self.causes]
        if self.retry_after:
            out["retryAfterSeconds"] = self.retry_after
        return out

    def status(self) -> dict[str, Any]:
        """The `metav1.Status` of this failure."""
        out: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if details := self.details():
            out["details"] = details
        return out | {"code": self.code}


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class Gone(ApiError):
    code, reason = 410, "Gone"


class Expired(ApiError):
    """A resourceVersion or continue token older than the history that is kept."""

    code, reason = 410, "Expired"


class RequestEntityTooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    code, reason = 500, "InternalError"


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    code, reason = 504, "Timeout"


BY_REASON: Mapping[str, type[ApiError]] = {
    cls.reason: cls
    for cls in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        AlreadyExists,
        Conflict,
        Gone,
        Expired,
        RequestEntityTooLarge,
        UnsupportedMediaType,
        Invalid,
        TooManyRequests,
        InternalError,
        ServiceUnavailable,
        Timeout,
    )
}
BY_CODE: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    406: NotAcceptable,
    409: Conflict,
    410: Expired,
    413: RequestEntityTooLarge,
    415: UnsupportedMediaType,
    422: Invalid,
    429: TooManyRequests,
    503: ServiceUnavailable,
    504: Timeout,
}


def from_status(status: Mapping[str, Any], code: int = 500) -> ApiError:
    """The exception a received `Status` stands for; `code` is the HTTP code of the answer."""
    code = int(status.get("code") or code)
    cls = BY_REASON.get(str(status.get("reason", ""))) or BY_CODE.get(code, InternalError)
    details = status.get("details") or {}
    causes = [
        Cause(str(c.get("reason", "")), str(c.get("message", "")), str(c.get("field", "")))
        for c in details.get("causes") or ()
    ]
    return cls(
        str(status.get("message", "")),
        group=str(details.get("group", "")),
        kind=str(details.get("kind", "")),
        name=str(details.get("name", "")),
        uid=str(details.get("uid", "")),
        causes=causes,
        retry_after=int(details.get("retryAfterSeconds") or 0),
    )


def _qualified(resource: str, group: str) -> str:
    return f"{resource}.{group}" if group else resource


def not_found(resource: str, name: str, group: str = "") -> NotFound:
    """`pods "x" not found`, as every client knows it."""
    return NotFound(f'{_qualified(resource, group)} "{name}" not found', group=group, kind=resource, name=name)


def already_exists(resource: str, name: str, group: str = "") -> AlreadyExists:
    return AlreadyExists(
        f'{_qualified(resource, group)} "{name}" already exists', group=group, kind=resource, name=name
    )


def conflict(resource: str, name: str, group: str = "", why: str = "") -> Conflict:
    """An optimistic lock that did not hold; `why` replaces upstream's usual reason."""
    why = why or ("the object has been modified; please apply your changes to the latest version and try again")
    return Conflict(
        f'Operation cannot be fulfilled on {_qualified(resource, group)} "{name}": {why}',
        group=group,
        kind=resource,
        name=name,
    )


def forbidden(resource: str, name: str, why: str, group: str = "") -> Forbidden:
    return Forbidden(
        f'{_qualified(resource, group)} "{name}" is forbidden: {why}', group=group, kind=resource, name=name
    )


def invalid(kind: str, name: str, causes: Iterable[Cause], group: str = "") -> Invalid:
    """`ReplicaSet.apps "x" is invalid: spec.selector: Required value`, several findings in brackets."""
    causes = tuple(causes)
    texts = [f"{cause.field}: {cause.message}" if cause.field else cause.message for cause in causes]
    said = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return Invalid(
        f'{_qualified(kind, group)} "{name}" is invalid: {said}',
        group=group,
        kind=kind,
        name=name,
        causes=causes,
    )
