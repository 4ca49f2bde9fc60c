"""Event.

What happened to an object, kept for an hour. One object, two APIs: `events.k8s.io/v1` tells the same under other
names, so it is a conversion of this kind.
"""

from __future__ import annotations

from dataclasses import replace

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import NAME, at, column, since, value
from podling.api.kinds.core.references import ObjectReference
from podling.api.kinds.kind import Conversion, Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.versions import without_defaults
from podling.api.kinds.view import View


class EventSource(View, frozen=True):
    component: str = ""
    host: str = ""


class EventSeries(View, frozen=True):
    count: int = 0
    last_observed_time: str = ""


class Event(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    source: EventSource = EventSource()
    first_timestamp: str = ""
    last_timestamp: str = ""
    count: int = 0
    type: str = ""
    event_time: str = ""
    series: EventSeries | None = None
    action: str = ""
    related: ObjectReference | None = None
    reporting_component: str = ""
    reporting_instance: str = ""


# Names in events.k8s.io/v1 and what they are called here.
_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_NAMES_BACK = {ours: theirs for theirs, ours in _RENAMED.items()}
_OBJECT_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")


# What events.k8s.io selects by, and what that is called here.
_SELECTED = frozenset(
    [
        *((f"regarding.{name}", f"involvedObject.{name}") for name in _OBJECT_FIELDS),
        ("reason", "reason"),
        ("reportingController", "reportingComponent"),
        ("type", "type"),
    ]
)


def to_hub(obj: Json) -> Json:
    return {_RENAMED.get(name, name): value for name, value in obj.items()} | {"apiVersion": "v1"}


def told_as(version: str) -> Conversion:
    """The conversion of a version of events.k8s.io; Events have no defaults."""
    here = {"apiVersion": f"events.k8s.io/{version}"}

    def from_hub(obj: Json) -> Json:
        return {_NAMES_BACK.get(name, name): value for name, value in obj.items()} | here

    return Conversion(
        "events.k8s.io",
        version,
        without_defaults,
        to_hub,
        from_hub,
        validate_create=newer_rules if version == "v1" else lambda obj: [],
        field_names=_SELECTED,
    )


def newer_rules(obj: Json) -> list[Cause]:
    """What events.k8s.io/v1 asks of its recorders: the time of the event, and nothing of what went before it."""
    found = [] if obj.get("eventTime") else [causes.required("eventTime")]
    if obj.get("type") not in ("Normal", "Warning"):
        found.append(causes.invalid("type", "", f"has invalid value: {obj.get('type', '')}"))
    for name in ("firstTimestamp", "lastTimestamp", "count"):
        if obj.get(name):
            found.append(causes.invalid(name, "", "needs to be unset"))
    if any((obj.get("source") or {}).values()):
        found.append(causes.invalid("source", "", "needs to be unset"))
    return found


def fields(obj: Json) -> dict[str, str]:
    about = obj.get("involvedObject") or {}
    out = {f"involvedObject.{name}": about.get(name, "") for name in _OBJECT_FIELDS}
    component = obj.get("reportingComponent", "")
    return out | {
        "reason": obj.get("reason", ""),
        "reportingComponent": component,
        "source": at(obj, "source.component") or component,
        "type": obj.get("type", ""),
    }


def first_seen(obj: Json, now: float) -> str:
    return since(obj.get("firstTimestamp") or obj.get("eventTime"), now)


def last_seen(obj: Json, now: float) -> str:
    if observed := at(obj, "series.lastObservedTime"):
        return since(observed, now)
    return since(obj["lastTimestamp"], now) if obj.get("lastTimestamp") else first_seen(obj, now)


def about(obj: Json, now: float) -> str:
    """`pod/web-1`."""
    found = obj.get("involvedObject") or {}
    kind = str(found.get("kind", "")).lower()
    return f"{kind}/{found['name']}" if found.get("name") else kind


def source(obj: Json, now: float) -> str:
    who = at(obj, "source.component") or obj.get("reportingComponent", "")
    where = at(obj, "source.host") or obj.get("reportingInstance", "")
    return f"{who}, {where}" if where else who


def count(obj: Json, now: float) -> int:
    return int(at(obj, "series.count") or obj.get("count") or 1)


_LONGEST = {"reportingInstance": 128, "action": 128, "reason": 128, "message": 1024}


def validate(obj: Json) -> list[Cause]:
    found = _namespace(obj)
    if not obj.get("eventTime"):
        return found  # written by one of the older recorders, which say less
    component = obj.get("reportingComponent", "")
    found += rules.named("reportingComponent", component, names.qualified_name)
    for name, longest in _LONGEST.items():
        text = obj.get(name, "")
        if not text and name != "message":
            found.append(causes.required(name))
        elif len(text) > longest:
            found.append(causes.invalid(name, "", f"can have at most {longest} characters"))
    return found


def _namespace(obj: Json) -> list[Cause]:
    """An event lives beside its object; those of cluster-scoped objects live in `default`."""
    own, other = obj["metadata"].get("namespace", ""), at(obj, "involvedObject.namespace") or ""
    if own == other or (not other and own == "default"):
        return []
    return [causes.invalid("involvedObject.namespace", other, "does not match event.namespace")]


KIND = Kind(
    "",
    "v1",
    "Event",
    Event,
    validate=validate,
    strategy=Strategy(create_on_update=True),
    columns=(
        column("Last Seen", last_seen, description="Time since it was last seen."),
        column("Type", value("type"), description="Normal or Warning."),
        column("Reason", value("reason"), description="Why, in one word."),
        column("Object", about, description="What it is about."),
        column("Subobject", value("involvedObject.fieldPath"), wide=True, description="The part it is about."),
        column("Source", source, wide=True, description="Who says so."),
        column("Message", lambda obj, _: str(obj.get("message", "")).strip(), description="What happened."),
        column("First Seen", first_seen, wide=True, description="Time since it was first seen."),
        column("Count", count, wide=True, description="How often it was seen."),
        replace(NAME, priority=1),
    ),
    fields=fields,
    field_names=frozenset(
        [*(f"involvedObject.{name}" for name in _OBJECT_FIELDS), "reason", "reportingComponent", "source", "type"]
    ),
    conversions=tuple(told_as(version) for version in ("v1", "v1beta1")),
)
