"""Which options of a list or a watch contradict each other, in upstream's words (ValidateListOptions).

What they mean together is in the Kubernetes API concepts, "Resource versions" and "Streaming lists".
"""

from __future__ import annotations

from collections.abc import Iterator

from podling.api.errors import BadRequest, Cause, Invalid
from podling.api.kinds.causes import forbidden, unsupported
from podling.apiserver.message import Request

MATCH = "resourceVersionMatch"
EXACT, NOT_OLDER = "Exact", "NotOlderThan"


def check_list(request: Request) -> None:
    """Raises BadRequest, Invalid."""
    token, said = request.param("continue"), request.param("resourceVersion")
    _refuse(_wrong_list(request))
    if token and said not in ("", "0"):
        raise BadRequest("specifying resource version is not allowed when using continue")


def check_watch(request: Request) -> None:
    """Raises Invalid."""
    _refuse(_wrong_watch(request))


def _wrong_list(request: Request) -> Iterator[Cause]:
    match, revision = request.param(MATCH), request.param("resourceVersion")
    if match:
        if not revision:
            yield forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided")
        if request.param("continue"):
            yield forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided")
        if match not in (EXACT, NOT_OLDER):
            yield unsupported(MATCH, match, (EXACT, NOT_OLDER, ""))
        if match == EXACT and revision == "0":
            yield forbidden(MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if request.param("sendInitialEvents"):
        yield forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _wrong_watch(request: Request) -> Iterator[Cause]:
    match, initial = request.param(MATCH), request.param("sendInitialEvents")
    if initial and match != NOT_OLDER:
        yield forbidden(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if match:
        if not initial:
            yield forbidden(MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
        if match != NOT_OLDER:
            yield unsupported(MATCH, match, (NOT_OLDER,))
        if request.param("continue"):
            yield forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided")


def _refuse(wrong: Iterator[Cause]) -> None:
    causes = list(wrong)
    if not causes:
        return
    told = [f"{each.field}: {each.message}" for each in causes]
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    message = f'ListOptions.meta.k8s.io "" is invalid: {text}'
    raise Invalid(message, group="meta.k8s.io", kind="ListOptions", causes=causes)
