"""What others are shown of a write, in the version they asked for, and the way of their changes back.

Inside, a write is a hub object; webhooks and policies see it as a client of their version would. On the way to a
create nobody has given the object its uid or its generated name yet (as upstream, where that comes after mutation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from podling.api.errors import BadRequest, InternalError
from podling.api.kinds.scale import scale_of, scaled
from podling.api.patch.values import copied
from podling.api.schema import check
from podling.api.schema.check import FieldTypeError
from podling.api.schema.defaults import apply_defaults
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.customresources.conversion import ConversionFailed, Unconverted
from podling.apiserver.endpoints.options import DeleteOptions
from podling.apiserver.registry.served import Served
from podling.apiserver.webhooks.matching import name_of

Json = dict[str, Any]
T = TypeVar("T")
Triple = tuple[str, str, str]
TRIES = 32
# What only the server says about an object; no mutation changes it.
_SERVERS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
)
_LATER = ("uid", "creationTimestamp", "generation")
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


@dataclass(frozen=True, slots=True)
class Content:
    """One write in one version. `object` and `old` are the reader's own copies; None where there is none."""

    kind: Triple
    """Group, version, kind."""
    resource: Triple
    subresource: str
    name: str
    object: Json | None
    old: Json | None


async def settled(make: Callable[[], T]) -> T:
    """What `make` gives, once the conversion webhooks of a custom resource have said what it needs to know."""
    for _ in range(TRIES):
        try:
            return make()
        except Unconverted as unconverted:
            await unconverted.settle()
    raise ConversionFailed("the object changes with every conversion")


def content_of(attempt: Attempt, served: Served, *, mutating: bool) -> Content:
    """As `served` has it. `mutating`: before the server has given the object its name and uid. Raises Unconverted."""
    entry = served.entry
    resource = (entry.group, entry.version, entry.plural)
    obj, old, name = attempt.obj, attempt.old, name_of(attempt)
    if foreign(attempt):
        return Content(kind_of(obj), resource, attempt.subresource, name, copied(obj), None)
    if attempt.subresource == "scale" and served.kind.scale is not None and old is not None:
        sub = entry.subresources["scale"]
        scales = [_scale(attempt, served, each) for each in (obj, old)]
        return Content((sub.group, sub.version, sub.kind), resource, "scale", name, *scales)
    new = None if attempt.operation == "DELETE" else _shown(attempt, served, obj)
    before = None if attempt.operation == "CREATE" or old is None else _shown(attempt, served, old)
    if mutating and attempt.operation == "CREATE" and new is not None:
        name = _unborn(attempt, new)
    return Content((entry.group, entry.version, entry.kind), resource, attempt.subresource, name, new, before)


def foreign(attempt: Attempt) -> bool:
    """Whether what is written is of another kind than what it is written to: a Binding, an Eviction, options."""
    if attempt.operation == "CONNECT":
        return True
    return attempt.operation == "CREATE" and attempt.obj.get("kind") != attempt.served.entry.kind


def kind_of(obj: Mapping[str, Any]) -> Triple:
    group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
    return group, version, str(obj.get("kind", ""))


def _shown(attempt: Attempt, served: Served, hub: Json) -> Json:
    shown = copied(served.entry.from_hub(copied(hub)))
    if attempt.revision:
        shown["metadata"]["resourceVersion"] = str(attempt.revision)
    out: Json = shown
    return out


def _scale(attempt: Attempt, served: Served, hub: Json) -> Json:
    assert served.kind.scale is not None
    sub = served.entry.subresources["scale"]
    out: Json = copied(scale_of(hub, served.kind.scale, f"{sub.group}/{sub.version}"))
    if attempt.revision:
        out["metadata"]["resourceVersion"] = str(attempt.revision)
    return out


def _unborn(attempt: Attempt, new: Json) -> str:
    """Take off what comes later; the name as it is known by now."""
    metadata = new["metadata"]
    for key in _LATER:
        metadata.pop(key, None)
    if attempt.generated:
        metadata.pop("name", None)
    return str(metadata.get("name") or "")


def take_back(attempt: Attempt, served: Served, changed: Json) -> None:
    """Make the attempt's object what `changed`, an object as `content_of` showed it, says: checked against its type,
    with its defaults. Raises InternalError where it is none any more, BadRequest where it would be another object,
    Unconverted (nothing has changed then)."""
    if foreign(attempt):
        _replace(attempt.obj, changed)
        return
    if attempt.subresource == "scale":
        assert served.kind.scale is not None
        _replace(attempt.obj, scaled(copied(attempt.obj), served.kind.scale, changed))
        return
    new = typed(served, changed)
    metadata, before = new["metadata"], attempt.obj["metadata"]
    for key in _SERVERS:
        if key in before:
            metadata[key] = before[key]
        else:
            metadata.pop(key, None)
    metadata.pop("resourceVersion", None)
    if attempt.generated or not metadata.get("name"):
        metadata["name"] = before["name"]
    if (metadata.get("namespace") or "") != (before.get("namespace") or ""):
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    new["kind"], new["apiVersion"] = served.entry.kind, served.entry.api_version
    hub = served.entry.to_hub(new)
    _prepare(attempt, hub)
    _replace(attempt.obj, hub)


def _prepare(attempt: Attempt, hub: Json) -> None:
    """What this way of writing cannot change stays as it was."""
    kind, old = attempt.served.kind, attempt.old
    if attempt.operation == "UPDATE" and old is not None:
        if attempt.subresource == "status":
            kind.prepare_status(hub, old)
        else:
            kind.prepare_update(hub, old, attempt.subresource)
    elif kind.strategy.status and not kind.strategy.status_on_create:
        if "status" in attempt.obj:
            hub["status"] = attempt.obj["status"]
        else:
            hub.pop("status", None)


def typed(served: Served, changed: Json) -> Json:
    """Raises InternalError."""
    if not isinstance(changed, dict) or not isinstance(changed.get("metadata"), dict):
        raise InternalError("Internal error occurred: the patch does not leave an object")
    if served.type is None:
        return changed
    try:
        value: Json = check(changed, served.type, "Ignore").value
    except FieldTypeError as error:
        raise InternalError(f"Internal error occurred: {error}") from None
    apply_defaults(value, served.type)
    return value


def _replace(obj: Json, new: Json) -> None:
    kept = dict(new)
    obj.clear()
    obj.update(kept)


def options_of(attempt: Attempt) -> Json | None:
    """The options of the operation, as upstream decodes them from query or body; None for a connection."""
    request = attempt.request
    kind = _OPTIONS.get(attempt.operation)
    if kind is None:
        return None
    if attempt.operation == "UPDATE" and request.method == "PATCH":
        kind = "PatchOptions"
    out: Json = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    if attempt.dry:
        out["dryRun"] = ["All"]
    if attempt.operation == "DELETE":
        return out | (_deletion(attempt.options) if attempt.options else {})
    for name in ("fieldManager", "fieldValidation"):
        if value := request.param(name):
            out[name] = value
    if kind == "PatchOptions" and request.param("force"):
        out["force"] = request.param("force").lower() in ("1", "t", "true")
    return out


def _deletion(options: DeleteOptions) -> Json:
    out: Json = {}
    if options.grace is not None:
        out["gracePeriodSeconds"] = options.grace
    if options.propagation:
        out["propagationPolicy"] = options.propagation
    wanted = {"uid": options.uid, "resourceVersion": str(options.revision or "")}
    if preconditions := {key: value for key, value in wanted.items() if value}:
        out["preconditions"] = preconditions
    return out
