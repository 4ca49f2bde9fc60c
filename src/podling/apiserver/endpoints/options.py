"""The options of writes: dryRun, fieldValidation, and DeleteOptions from body or query."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast

from podling.api.errors import BadRequest, Cause, Invalid
from podling.apiserver.message import Request

FieldValidation = Literal["Strict", "Warn", "Ignore"]
Propagation = Literal["", "Orphan", "Background", "Foreground"]


class DeleteOptions(NamedTuple):
    """`grace` is None where the request says nothing about it."""

    grace: int | None = None
    propagation: Propagation = ""
    uid: str = ""
    revision: int = 0
    dry_run: bool = False


def dry_run(request: Request) -> bool:
    """Raises Invalid for anything but `All`."""
    return _dry_run(request.params("dryRun"), "CreateOptions")


def _dry_run(values: list[str], kind: str) -> bool:
    for value in values:
        if value != "All":
            text = f'Unsupported value: "{value}": supported values: "All"'
            raise Invalid(
                f'{kind}.meta.k8s.io "" is invalid: dryRun: {text}',
                group="meta.k8s.io",
                kind=kind,
                causes=[Cause("FieldValueNotSupported", text, "dryRun")],
            )
    return bool(values)


def field_validation(request: Request) -> FieldValidation:
    """Warn where the request does not say. Raises Invalid."""
    value = request.param("fieldValidation") or "Warn"
    if value not in ("Strict", "Warn", "Ignore"):
        text = f'Unsupported value: "{value}": supported values: "Ignore", "Strict", "Warn"'
        raise Invalid(
            f'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: {text}',
            group="meta.k8s.io",
            kind="CreateOptions",
            causes=[Cause("FieldValueNotSupported", text, "fieldValidation")],
        )
    return cast(FieldValidation, value)


PROPAGATIONS = 'supported values: "Foreground", "Background", "Orphan", "nil"'


def delete_options(body: dict[str, Any], request: Request) -> DeleteOptions:
    """From a decoded DeleteOptions body; what it does not say comes from the query. Raises BadRequest, Invalid."""
    grace = body.get("gracePeriodSeconds", _integer(request.param("gracePeriodSeconds")))
    propagation = body.get("propagationPolicy") or request.param("propagationPolicy")
    orphan = body.get("orphanDependents")
    if orphan is None and (text := request.param("orphanDependents")):
        orphan = text == "true"
    if orphan is not None:
        if propagation:
            why = "orphanDependents and deletionPropagation cannot be both set"
            raise _refused("propagationPolicy", why, propagation)
        propagation = "Orphan" if orphan else "Background"
    if propagation not in ("", "Orphan", "Background", "Foreground"):
        raise _refused("propagationPolicy", PROPAGATIONS, propagation, "FieldValueNotSupported", "Unsupported")
    if grace is not None and grace < 0:
        grace = 1  # upstream's reading of a negative grace period
    preconditions = body.get("preconditions") or {}
    revision = preconditions.get("resourceVersion") or ""
    if revision and not str(revision).isdigit():
        raise BadRequest(f"preconditions.resourceVersion: not a resource version: {revision}")
    return DeleteOptions(
        grace,
        cast(Propagation, propagation),
        preconditions.get("uid") or "",
        int(revision or 0),
        _dry_run([*(body.get("dryRun") or ()), *request.params("dryRun")], "DeleteOptions"),
    )


def _integer(text: str) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _refused(field: str, why: str, value: object, reason: str = "FieldValueInvalid", what: str = "Invalid") -> Invalid:
    text = f'{what} value: "{value}": {why}'
    cause = Cause(reason, text, field)
    return Invalid(
        f'DeleteOptions.meta.k8s.io "" is invalid: {field}: {text}',
        group="meta.k8s.io",
        kind="DeleteOptions",
        causes=[cause],
    )
