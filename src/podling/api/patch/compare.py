"""The sets of a value, and what differs between two: structured-merge-diff's ToFieldSet and Compare.

`set_of` says what an applied configuration speaks of. `added` says what is new where nothing was: also the containers
themselves. `compare` walks only where two values differ; in a status update it never sees the spec.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from podling.api import known
from podling.api.patch import fieldset
from podling.api.patch.fieldset import LEAF, Tree
from podling.api.patch.structure import Plan

Json = dict[str, Any]

# What belongs to the server or names the object; nobody manages it.
UNMANAGED: Final = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    }
)
_LISTED: Final = frozenset({"ownerReferences", "finalizers"})
_HEADLINE: Final = ("apiVersion", "kind", "metadata")
_NOTHING: Final[Json] = {}
_SHORT: Final = 2048
"""Characters in the names of a map that is remembered by them."""


class Comparison(NamedTuple):
    """From an old to a new value."""

    added: Tree
    modified: Tree
    removed: Tree

    @property
    def taken(self) -> Tree:
        """What the writer of the new value manages from now on."""
        return fieldset.join(self.added, self.modified)


def set_of(obj: Json, plan: Plan) -> Tree:
    """The set of a configuration, without what nobody manages."""
    out = dict(_set_of({name: item for name, item in obj.items() if name not in _HEADLINE}, plan))
    if metadata := _managed(obj):
        step, below = plan.fields["metadata"]
        if below is not None and (tree := _set_of(metadata, below)):
            out[step] = tree
    return fieldset.ordered(out)


def _managed(obj: Json) -> Json:
    metadata = obj.get("metadata") or _NOTHING
    return {name: item for name, item in metadata.items() if name not in UNMANAGED}


def _set_of(value: Any, plan: Plan) -> Tree:
    out: dict[str, Any] = {}
    if plan.form == "struct" and value.__class__ is dict:
        fields = plan.fields
        for name in sorted(value):
            step, below = fields.get(name) or (f"f:{name}", None)
            item = value[name]
            if below is None or item == _NOTHING or item.__class__ is not below.cls:
                out[step] = LEAF
            elif tree := _set_of(item, below):
                out[step] = tree
        return out
    for step, item, below in _items(value, plan):
        tree = LEAF if below is None or not item else _set_of(item, below)
        tree = {".": LEAF, **tree} if tree else LEAF
        out[step] = fieldset.join_nodes(out[step], tree) if step in out else tree
    return out


def _items(value: Any, plan: Plan) -> list[tuple[str, Any, Plan | None]]:
    """(step, value, plan) of everything in a map or list, in the order of sets; nothing of other values."""
    element = plan.element
    if plan.form == "map":
        return [(f"f:{name}", value[name], element) for name in sorted(value)] if value.__class__ is dict else []
    if value.__class__ is not list:
        return []
    out = [(plan.step(item, index), item, element) for index, item in enumerate(value)]
    if len(out) > 1:
        out.sort(key=_place)
    return out


def _place(item: tuple[str, Any, Any]) -> tuple[Any, ...]:
    return fieldset.place(item[0])


def added(value: Any, plan: Plan) -> Tree:
    """The tree of a value that is new, itself included."""
    if plan.form == "map" and plan.element is None and value.__class__ is dict and len("".join(value)) <= _SHORT:
        return _named(tuple(value))
    inner = _added(value, plan)
    return {".": LEAF, **inner} if inner else LEAF


@lru_cache(maxsize=1024)
def _named(names: tuple[str, ...]) -> Tree:
    """The tree of a map of plain values: most objects of a kind have the same few labels and keys."""
    return {".": LEAF, **_leaves(names)} if names else LEAF


def _leaves(names: Iterable[str]) -> dict[str, Any]:
    return {f"f:{name}": LEAF for name in sorted(names)}


def _added(value: Any, plan: Plan) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if value.__class__ is dict:
        if plan.form == "map" and plan.element is None:
            return _leaves(value)
        if plan.form == "struct":
            fields = plan.fields
            for name in sorted(value):
                step, below = fields.get(name) or (f"f:{name}", None)
                out[step] = LEAF if below is None or not (item := value[name]) else added(item, below)
            return out
    for step, item, below in _items(value, plan):
        # Of two elements with one key neither is looked into.
        out[step] = LEAF if below is None or not item or step in out else added(item, below)
    return out


def created(obj: Json, plan: Plan, unset: frozenset[str] = frozenset()) -> Tree:
    """What the creator of an object manages: all of it but what nobody does, and the `unset` fields at the top."""
    out: dict[str, Any] = {}
    fields = plan.fields
    for name in sorted(obj):
        if name in ("apiVersion", "kind") or name in unset:
            continue
        step, below = fields.get(name) or ("f:" + name, None)
        item = obj[name]
        if name == "metadata":
            if below is not None and (tree := _added_metadata(obj.get("metadata") or _NOTHING, below)):
                out[step] = tree
        else:
            out[step] = LEAF if below is None or not item else _added_whole(item, below)
    return out


def _added_metadata(metadata: Json, plan: Plan) -> Tree:
    """Where there are no lists, the names alone say it, and most objects of a kind have the same."""
    labels, annotations = metadata.get("labels") or _NOTHING, metadata.get("annotations") or _NOTHING
    if not _LISTED.isdisjoint(metadata) or len("".join((*labels, *annotations))) > _SHORT:
        return _added(_managed({"metadata": metadata}), plan)
    return _added_names(tuple(metadata), tuple(labels), tuple(annotations), plan)


@lru_cache(maxsize=256)
def _added_names(names: tuple[str, ...], labels: tuple[str, ...], annotations: tuple[str, ...], plan: Plan) -> Tree:
    values = {"labels": dict.fromkeys(labels, ""), "annotations": dict.fromkeys(annotations, "")}
    return _added({name: values.get(name, "") for name in names if name not in UNMANAGED}, plan)


def _added_whole(value: Any, plan: Plan) -> Tree:
    """Of a field at the top: specs that come from one template have one tree."""
    if plan.form != "struct" or value.__class__ is not dict:
        return added(value, plan)
    return _added_of(value, plan)


_added_of = known.by_json(64)(added)


def compare(old: Json, new: Json, plan: Plan) -> Comparison:
    """What changes between two states of an object, without what nobody manages."""
    changes: Changes = ({}, {}, {})
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name, _ABSENT), new.get(name, _ABSENT)
        if name in _HEADLINE[:2] or before == after:
            continue
        step, below = plan.fields.get(name) or (f"f:{name}", None)
        if name == "metadata" and below is not None:
            _descend(_managed(old), _managed(new), step, below, changes)
        else:
            _compare_item(before, after, step, below, changes)
    return Comparison(*changes)


class _Absent:
    """Nothing there at all, not even null."""


_ABSENT: Final = _Absent()
Changes = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def _compare_item(old: Any, new: Any, step: str, plan: Plan | None, changes: Changes) -> None:
    """Of two values that are not equal."""
    if old is _ABSENT:
        changes[0][step] = LEAF if plan is None or not new else added(new, plan)
    elif new is _ABSENT:
        changes[2][step] = LEAF if plan is None or not old else added(old, plan)
    elif plan is None or not (old or new) or not _fits(old, plan) or not _fits(new, plan):
        changes[1][step] = LEAF
    else:
        _descend(old, new, step, plan, changes)


def _fits(value: Any, plan: Plan) -> bool:
    return value is None or value.__class__ is plan.cls


def _descend(old: Any, new: Any, step: str, plan: Plan, changes: Changes) -> None:
    inner: Changes = ({}, {}, {})
    if plan.form in ("struct", "map"):
        _compare_fields(old or {}, new or {}, plan, inner)
    else:
        _compare_elements(old, new, plan, inner)
    for outer, tree in zip(changes, inner, strict=True):
        if tree:
            outer[step] = fieldset.ordered(tree) if len(tree) > 1 else tree


def _compare_fields(old: Json, new: Json, plan: Plan, changes: Changes) -> None:
    differing = [name for name, item in new.items() if old.get(name, _ABSENT) != item]
    if len(new) - len(differing) < len(old):
        differing += [name for name in old if name not in new]
    for name in differing:
        if plan.form == "map":
            step, below = f"f:{name}", plan.element
        else:
            step, below = plan.fields.get(name) or (f"f:{name}", None)
        _compare_item(old.get(name, _ABSENT), new.get(name, _ABSENT), step, below, changes)


def _compare_elements(old: Any, new: Any, plan: Plan, changes: Changes) -> None:
    left, right = _indexed(old, plan), _indexed(new, plan)
    nothing = (_ABSENT, plan.element, False)
    for step in left.keys() | right.keys():
        before, below, many = left.get(step, nothing)
        after, _, more = right.get(step, nothing)
        if before != after:
            _compare_item(before, after, step, None if many or more else below, changes)


def _indexed(value: Any, plan: Plan) -> dict[str, tuple[Any, Plan | None, bool]]:
    """Step → (value, plan, whether it is there more than once: then the value is the list of them)."""
    out: dict[str, tuple[Any, Plan | None, bool]] = {}
    for step, item, below in _items(value, plan):
        if step in out:
            before, _, twice = out[step]
            out[step] = ([*before, item] if twice else [before, item], None, True)
        else:
            out[step] = (item, below, False)
    return out
