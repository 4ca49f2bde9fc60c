"""metadata.managedFields: who manages what, kept through every write (documentation page "Server-Side Apply").

An update gives its writer what it added or changed and takes that from everybody else; what vanished is nobody's. At
most ten entries come from updates, older ones become one of `ancient-changes`. An object without entries is not
tracked: it was told to forget them, or is older than they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from podling.api.patch import fieldset
from podling.api.patch.compare import Comparison
from podling.api.patch.fieldset import LEAF, NotFields, Tree

Json = dict[str, Any]
Operation = Literal["Apply", "Update"]

MOST_UPDATERS: Final = 10
ANCIENT: Final = "ancient-changes"
BEFORE_APPLY: Final = "before-first-apply"


class Manager(NamedTuple):
    """Who writes, as one entry. Appliers are the same in every version, so theirs is left out of their identity."""

    name: str
    operation: Operation
    api_version: str
    subresource: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        version = "" if self.operation == "Apply" else self.api_version
        return (self.name, self.operation, version, self.subresource)

    def __str__(self) -> str:
        """As a conflict names it: `"kubectl" with subresource "status" using v1`."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


class Entry(NamedTuple):
    manager: Manager
    fields: Tree
    time: str = ""

    def to_json(self) -> Json:
        manager = self.manager
        out: Json = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields,
            "subresource": manager.subresource,
        }
        if not self.time:
            del out["time"]
        if not manager.subresource:
            del out["subresource"]
        return out


Comparisons = Callable[[str], Comparison | None]
"""What changed, in the fields of an API version; None for one that is not served any more."""


def stored(entries: Any) -> tuple[Entry, ...]:
    """The entries of an object from the store, which hold canonical sets."""
    return tuple(
        Entry(
            Manager(each["manager"], each["operation"], each["apiVersion"], each.get("subresource", "")),
            each["fieldsV1"],
            each.get("time", ""),
        )
        for each in entries or ()
    )


def sent(given: Any, live: Sequence[Json] | None) -> tuple[Entry, ...]:
    """The entries a write starts from: those the client sends, the live ones where it sends none or nonsense."""
    if given is None or given == live:
        return stored(live)
    if given in ([], [{}]):  # how clients ask to have the record forgotten
        return ()
    try:
        return tuple(_read(each) for each in given)
    except (NotFields, KeyError, TypeError, AttributeError):
        return stored(live)


def _read(entry: Json) -> Entry:
    if entry["operation"] not in ("Apply", "Update") or entry["fieldsType"] != "FieldsV1":
        raise NotFields(f"an entry of {entry.get('operation')}")
    manager = Manager(
        entry.get("manager") or "unknown", entry["operation"], entry["apiVersion"], entry.get("subresource") or ""
    )
    return Entry(manager, fieldset.parse(entry.get("fieldsV1") or {}), entry.get("time") or "")


def written(entries: Iterable[Entry]) -> list[Json]:
    """As they stand in the object: appliers first, each kind by time."""
    return [entry.to_json() for entry in sorted(entries, key=_order)]


def _order(entry: Entry) -> tuple[str, ...]:
    manager = entry.manager
    return (manager.operation, entry.time, manager.name, manager.api_version, manager.subresource)


def updated(
    entries: tuple[Entry, ...], writer: Manager, compared: Comparisons, now: Callable[[], str]
) -> tuple[Entry, ...]:
    """After an update; the very same entries where it changed nothing that anybody manages."""
    change = compared(writer.api_version)
    assert change is not None
    if not entries or not any(change):
        return entries
    own = next((entry for entry in entries if entry.manager.identity == writer.identity), None)
    kept = lost((entry for entry in entries if entry is not own), compared)
    fields = fieldset.without(own.fields, change.removed) if own is not None else LEAF
    if taken := change.taken:
        return capped((*kept, Entry(writer, fieldset.join(fields, taken), now())))
    return (*kept, own._replace(fields=fields)) if own is not None and fields else kept


def lost(entries: Iterable[Entry], compared: Comparisons) -> tuple[Entry, ...]:
    """Without what a change took away or took over, each entry in its own version."""
    out = []
    touched: dict[str, Tree | None] = {}
    for entry in entries:
        version = entry.manager.api_version
        if version not in touched:
            change = compared(version)
            touched[version] = None if change is None else fieldset.join(change.taken, change.removed)
        gone = touched[version]
        if gone is None:
            continue
        fields = fieldset.without(entry.fields, gone)
        if fields:
            out.append(entry if fields is entry.fields else entry._replace(fields=fields))
    return tuple(out)


def capped(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The oldest updates merged, a version at a time, until at most ten are left."""
    if len(entries) <= MOST_UPDATERS:
        return entries
    updates = sorted((entry for entry in entries if entry.manager.operation == "Update"), key=_order)
    over = len(updates) - MOST_UPDATERS
    if over <= 0:
        return entries
    merged: dict[str, Entry] = {}
    gone: list[Entry] = []
    for entry in updates:
        if over <= 0:
            break
        version = entry.manager.api_version
        if (first := merged.get(version)) is None:
            merged[version] = entry
            continue
        bucket = Manager(ANCIENT, "Update", version)
        gone += [first, entry]
        merged[version] = Entry(bucket, fieldset.join(first.fields, entry.fields), entry.time)
        over -= 1
    kept = tuple(entry for entry in entries if entry not in gone)
    return kept + tuple(entry for entry in merged.values() if entry.manager.name == ANCIENT and entry not in kept)
