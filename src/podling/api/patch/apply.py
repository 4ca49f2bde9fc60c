"""Server-side apply: a configuration laid over an object, by rules of ownership (KEP-555, structured-merge-diff).

The configuration is merged in; what its manager applied before and does not apply now is taken out, unless another
manages it too; what it changes of others' fields is a conflict, or theirs no longer when forced. Nothing here knows of
requests or of the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import orjson

from podling.api.errors import Cause, Conflict
from podling.api.patch import compare as comparing
from podling.api.patch import fieldset
from podling.api.patch.compare import Comparison
from podling.api.patch.fieldset import LEAF, Tree
from podling.api.patch.managedfields import BEFORE_APPLY, Entry, Manager, capped, lost
from podling.api.patch.structure import Plan
from podling.api.patch.values import copied

Json = dict[str, Any]
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL: Final = "kubectl"


class Versions(Protocol):
    """How objects of a kind look in another version."""

    def plan(self, api_version: str) -> Plan | None:
        """None for a version that is not served."""

    def convert(self, obj: Json, old: str, new: str) -> Json:
        """A new object, or the same one between equal versions."""


@dataclass(frozen=True, slots=True)
class Application:
    """One request to apply. `unset` are the fields at the top that this way of writing ignores."""

    manager: Manager
    config: Json
    force: bool
    now: str
    unset: frozenset[str] = frozenset()


class Applied(NamedTuple):
    obj: Json
    entries: tuple[Entry, ...]


class _Refused(Exception):
    def __init__(self, found: tuple[tuple[Manager, tuple[str, ...]], ...]) -> None:
        self.found = found


def apply(live: Json | None, entries: tuple[Entry, ...], wanted: Application, versions: Versions) -> Applied:
    """The new object, in the version of the request, and its entries. `live` is not changed; None: it is made anew.

    Raises Conflict with one cause a field.
    """
    version = wanted.manager.api_version
    plan = versions.plan(version)
    assert plan is not None
    if live is not None and not entries:
        before = comparing.created(live, plan, wanted.unset)
        first = Manager(BEFORE_APPLY, "Update", version, wanted.manager.subresource)
        entries = (Entry(first, before, wanted.now),) if before else ()
    try:
        return _apply(live or {}, entries, wanted, versions, plan)
    except _Refused as refused:
        conflicts = refused.found
    if wanted.manager.name == _KUBECTL and live is not None:
        allowed = _client_side(live, version, plan)
        if allowed is not None:
            conflicts = tuple(each for each in conflicts if not _holds(allowed, each[1]))
            if not conflicts:
                forced = Application(wanted.manager, wanted.config, True, wanted.now, wanted.unset)
                return _apply(live, entries, forced, versions, plan)
    raise conflict_of(conflicts)


def _apply(live: Json, entries: tuple[Entry, ...], wanted: Application, versions: Versions, plan: Plan) -> Applied:
    manager = wanted.manager
    own = next((entry for entry in entries if entry.manager.identity == manager.identity), None)
    config = {name: item for name, item in wanted.config.items() if name not in wanted.unset}
    fields = comparing.set_of(config, plan)
    new = merge(live, config, plan)
    others = tuple(entry for entry in entries if entry is not own)
    if own is not None:
        new = _prune(new, own, Entry(manager, fields), others, versions)
    compared = _Compared(live, new, manager.api_version, versions)
    if not wanted.force and (found := tuple(_conflicts(others, compared))):
        raise _Refused(found)
    kept = lost(others, compared)
    same = own is not None and own.fields == fields and own.manager == manager
    changed = not same or any(compared(manager.api_version) or ()) or live != new
    time = wanted.now if changed or own is None else own.time
    mine = (Entry(manager, fields, time),) if fields else ()
    return Applied(_noted(new, live, wanted), capped((*kept, *mine)))


class _Compared:
    """The comparison of two states in each version somebody speaks of, made once."""

    def __init__(self, old: Json, new: Json, api_version: str, versions: Versions) -> None:
        self._old, self._new, self._version, self._versions = old, new, api_version, versions
        self._made: dict[str, Comparison | None] = {}

    def __call__(self, api_version: str) -> Comparison | None:
        if api_version not in self._made:
            self._made[api_version] = self._compare(api_version)
        return self._made[api_version]

    def _compare(self, api_version: str) -> Comparison | None:
        plan = self._versions.plan(api_version)
        if plan is None:
            return None
        convert = self._versions.convert
        old, new = (convert(obj, self._version, api_version) for obj in (self._old, self._new))
        return comparing.compare(old, new, plan)


def compared(old: Json, new: Json, api_version: str, versions: Versions) -> _Compared:
    """What changed between two states given in `api_version`, for `managedfields.updated`."""
    return _Compared(old, new, api_version, versions)


def _conflicts(others: Iterable[Entry], compared: _Compared) -> Iterator[tuple[Manager, tuple[str, ...]]]:
    for entry in sorted(others, key=lambda entry: entry.manager.identity):
        change = compared(entry.manager.api_version)
        if change is not None:
            for path in fieldset.steps(fieldset.common(entry.fields, change.taken)):
                yield entry.manager, path


def conflict_of(found: tuple[tuple[Manager, tuple[str, ...]], ...]) -> Conflict:
    """`Apply failed with 1 conflict: conflict with "kubectl" using v1: .data.a`."""
    texts = [(str(manager), fieldset.path_text(path)) for manager, path in found]
    causes = [Cause("FieldManagerConflict", f"conflict with {who}", path) for who, path in texts]
    if len(texts) == 1:
        who, path = texts[0]
        return Conflict(f"Apply failed with 1 conflict: conflict with {who}: {path}", causes=causes)
    lines = []
    for manager in dict.fromkeys(who for who, _ in texts):
        lines.append(f"conflicts with {manager}:")
        lines += [f"- {path}" for who, path in texts if who == manager]
    return Conflict(f"Apply failed with {len(texts)} conflicts: " + "\n".join(lines), causes=causes)


def merge(live: Any, config: Any, plan: Plan | None) -> Any:
    """The configuration laid over the live value; neither is changed, parts of both are shared or copied."""
    if config is None and plan is not None and live:
        return live  # what has fields of its own is not cleared by null
    if plan is None or not live or config.__class__ is not plan.cls or live.__class__ is not plan.cls:
        return copied(config)
    if plan.cls is dict:
        out = dict(live)
        for name, item in config.items():
            below = _below(plan, name)
            out[name] = merge(live[name], item, below) if name in live else copied(item)
        return out
    return _merge_list(live, config, plan)


def _below(plan: Plan, name: str) -> Plan | None:
    if plan.form == "map":
        return plan.element
    found = plan.fields.get(name)
    return found[1] if found is not None else None


def _merge_list(live: list[Any], config: list[Any], plan: Plan) -> list[Any]:
    """The elements of both: those of the configuration in its order, the others where they stood."""
    left = [(plan.step(item, at), item) for at, item in enumerate(live)]
    right = [(plan.step(item, at), item) for at, item in enumerate(config)]
    theirs: dict[str, Any] = {}
    for step, item in left:
        theirs[step] = None if step in theirs else item  # of two with one key neither is merged with ours
    ours = dict(right)
    shared = [step for step, _ in right if step in theirs]
    element = plan.element

    def merged(step: str) -> Any:
        mine = ours[step]
        return merge(theirs[step], mine, element) if theirs.get(step) is not None else copied(mine)

    out: list[Any] = []
    done: set[str] = set()
    at = other = 0
    while at < len(left) or other < len(right):
        if at < len(left) and other < len(right):
            step = left[at][0]
            if step == right[other][0]:
                out.append(merged(step))
                done.add(step)
                at, other = at + 1, other + 1
                shared = shared[1:]
                continue
            if step in ours and shared and shared[0] != step:
                at += 1
                continue
        if at < len(left):
            step, item = left[at]
            if step not in ours:
                out.append(item)
                at += 1
                continue
            if step in done:
                at += 1
        if other < len(right):
            step = right[other][0]
            out.append(merged(step))
            done.add(step)
            other += 1
            if shared and shared[0] == step:
                shared = shared[1:]
    return out


def _prune(new: Json, last: Entry, now: Entry, others: tuple[Entry, ...], versions: Versions) -> Json:
    """Without what the manager applied last time and does not apply now, unless somebody else manages it."""
    version, current = last.manager.api_version, now.manager.api_version
    plan = versions.plan(version)
    if plan is None:
        return new
    if current == version and not fieldset.without(last.fields, now.fields):
        return new
    merged = versions.convert(new, current, version)
    was = _but_metadata(with_names(last.fields, plan))
    managed: dict[str, Tree] = {}
    for entry in (*others, now):
        of = entry.manager.api_version
        managed[of] = fieldset.join(managed.get(of, LEAF), entry.fields)
    pruned = remove(merged, was, plan)
    for of in sorted(managed, key=lambda each: each != version):
        pruned = _add_back(merged, pruned, version, of, managed[of], versions)
    there, left = (with_names(comparing.set_of(obj, plan), plan) for obj in (merged, pruned))
    pruned = remove(merged, fieldset.common(fieldset.without(there, left), was), plan)
    return versions.convert(pruned, version, current)


def _but_metadata(tree: Tree) -> Tree:
    """Metadata holds what nobody manages and never goes as a whole, whoever applied it empty."""
    below = {step: each for step, each in tree.get("f:metadata", LEAF).items() if step != "."}
    rest = {step: each for step, each in tree.items() if step != "f:metadata"}
    return {**rest, "f:metadata": below} if below else rest


def _add_back(merged: Json, pruned: Json, version: str, of: str, managed: Tree, versions: Versions) -> Json:
    """What somebody manages in version `of` comes back."""
    plan = versions.plan(of)
    if plan is None:
        return pruned
    merged, pruned = (versions.convert(obj, version, of) for obj in (merged, pruned))
    there, left = (with_names(comparing.set_of(obj, plan), plan) for obj in (merged, pruned))
    kept = fieldset.join(left, with_names(managed, plan))
    return versions.convert(remove(merged, _but_metadata(fieldset.without(there, kept)), plan), of, version)


def with_names(tree: Tree, plan: Plan | None) -> Tree:
    """With every declared field a member of the set that has members below it."""
    out = dict(tree)
    changed = False
    for step, below in tree.items():
        if not below:
            continue
        inner = with_names(below, plan.child(step)) if plan is not None else below
        if plan is not None and plan.names(step) and "." not in inner:
            inner = {".": LEAF, **inner}
        if inner is not below:
            out[step], changed = inner, True
    return out if changed else tree


def remove(value: Any, tree: Tree, plan: Plan | None) -> Any:
    """The value without the members of a set; what is emptied by it becomes null. Atomic values stay."""
    if plan is None or not tree or not value or value.__class__ is not plan.cls:
        return value
    if plan.cls is dict:
        kept = {}
        for name, item in value.items():
            below = tree.get("f:" + name)
            if below is None:
                kept[name] = item
            elif below and "." not in below:
                kept[name] = remove(item, below, _below(plan, name))
        return kept or None
    items = []
    for at, item in enumerate(value):
        below = tree.get(plan.step(item, at))
        if below is None:
            items.append(item)
        elif below and "." not in below:
            items.append(remove(item, below, plan.element))
    return items or None


def _client_side(live: Json, version: str, plan: Plan) -> Tree | None:
    """What client-side apply said last and what is still so: `kubectl` may take that over. None: there is no record."""
    text = _annotations(live).get(LAST_APPLIED)
    try:
        last = orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(last, dict) or last.get("apiVersion") != version:
        return None
    change = comparing.compare(last, live, plan)
    out = comparing.set_of(last, plan)
    for tree in change:
        out = fieldset.without(out, tree)
    return out


def _holds(tree: Tree, path: tuple[str, ...]) -> bool:
    here: Tree | None = tree
    for step in path:
        here = here.get(step) if here is not None else None
    return here is not None and (not here or "." in here)


def _annotations(obj: Json) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def _noted(new: Json, live: Json, wanted: Application) -> Json:
    """With the annotation of client-side apply kept right, where there is one: a client may yet go back to it."""
    if wanted.manager.name != _KUBECTL or not _annotations(new).get(LAST_APPLIED):
        return new
    metadata = dict(wanted.config.get("metadata") or {})
    if "annotations" in metadata:
        others = {key: item for key, item in (metadata["annotations"] or {}).items() if key != LAST_APPLIED}
        metadata["annotations"] = others
    text = orjson.dumps({**wanted.config, "metadata": metadata}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    annotations = {**new["metadata"]["annotations"], LAST_APPLIED: text}
    return {**new, "metadata": {**new["metadata"], "annotations": annotations}}
