"""The sets of a value, and what differs between two: structured-merge-diff's ToFieldSet and Compare.

`set_of` says what an applied configuration speaks of. `added` says what is new where nothing was: also the containers
themselves. `compare` walks only where two values differ; in a status update it never sees the spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

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
_HEADLINE: Final = ("apiVersion", "kind", "metadata")
_NOTHING: Final[Json] = {}


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
    for step, item, below in _items(value, plan):
        if below is None or item is None or item == _NOTHING:
            out[step] = LEAF
            continue
        tree = _set_of(item, below)
        if not plan.names(step):
            tree = {".": LEAF, **tree} if tree else LEAF
        elif not tree:
            continue
        out[step] = fieldset.join(out[step], tree) if step in out else tree
    return out


def _items(value: Any, plan: Plan) -> list[tuple[str, Any, Plan | None]]:
    """(step, value, plan) of everything in a container, in the order of sets. Values of another class have nothing."""
    if plan.form == "struct":
        if value.__class__ is not dict:
            return []
        fields = plan.fields
        return [(*_field(fields, name, value[name]),) for name in sorted(value)]
    element = plan.element
    if plan.form == "map":
        return [("f:" + name, value[name], element) for name in sorted(value)] if value.__class__ is dict else []
    if value.__class__ is not list:
        return []
    if plan.form == "set":
        element = None
    out = [(plan.step(item, index), item, element) for index, item in enumerate(value)]
    if len(out) > 1:
        out.sort(key=_place)
    return out


def _field(fields: Mapping[str, tuple[str, Plan | None]], name: str, value: Any) -> tuple[str, Any, Plan | None]:
    found = fields.get(name)
    return (found[0], value, found[1]) if found is not None else ("f:" + name, value, None)


def _place(item: tuple[str, Any, Any]) -> tuple[Any, ...]:
    return fieldset.place(item[0])


def added(value: Any, plan: Plan) -> Tree:
    """The tree of a value that is new, itself included."""
    inner = _added(value, plan)
    return {".": LEAF, **inner} if inner else LEAF


def _added(value: Any, plan: Plan) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if plan.form == "struct" and value.__class__ is dict:
        fields = plan.fields
        for name in sorted(value):
            found = fields.get(name)
            if found is None:
                out["f:" + name] = LEAF
            elif found[1] is None or not (item := value[name]):
                out[found[0]] = LEAF
            else:
                out[found[0]] = added(item, found[1])
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
            if below is not None and (tree := _added(_managed(obj), below)):
                out[step] = tree
        else:
            out[step] = LEAF if below is None or not item else added(item, below)
    return out


def compare(old: Json, new: Json, plan: Plan) -> Comparison:
    """What changes between two states of an object, without what nobody manages."""
    changes: tuple[Json, Json, Json] = ({}, {}, {})
    fields = plan.fields
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if name in _HEADLINE[:2] or before == after:
            continue
        step, below = fields.get(name) or ("f:" + name, None)
        if name == "metadata" and below is not None:
            _descend(_managed(old), _managed(new), step, below, changes)
        else:
            _compare_item(before if name in old else _ABSENT, after if name in new else _ABSENT, step, below, changes)
    return Comparison(*changes)


class _Absent:
    """Nothing there at all, not even null."""


_ABSENT: Final = _Absent()


def _compare_item(old: Any, new: Any, step: str, plan: Plan | None, changes: tuple[Json, Json, Json]) -> None:
    if old is _ABSENT:
        changes[0][step] = LEAF if plan is None or not new else added(new, plan)
    elif new is _ABSENT:
        changes[2][step] = LEAF if plan is None or not old else added(old, plan)
    elif old == new and old.__class__ is new.__class__:
        return
    elif plan is None or not (old or new):
        changes[1][step] = LEAF
    else:
        _descend(old, new, step, plan, changes)


def _descend(old: Any, new: Any, step: str, plan: Plan, changes: tuple[Json, Json, Json]) -> None:
    inner: tuple[Json, Json, Json] = ({}, {}, {})
    left, right = _indexed(old, plan), _indexed(new, plan)
    if left.keys() == right.keys():
        for key, (item, below, _) in left.items():
            _compare_item(item, right[key][0], key, below, inner)
    else:
        for key in sorted(left.keys() | right.keys(), key=fieldset.place):
            one, other = left.get(key), right.get(key)
            below = one[1] if one is not None else other[1] if other is not None else None
            twice = (one is not None and one[2]) or (other is not None and other[2])
            _compare_item(
                one[0] if one is not None else _ABSENT,
                other[0] if other is not None else _ABSENT,
                key,
                None if twice else below,
                inner,
            )
    for outer, tree in zip(changes, inner, strict=True):
        if tree:
            outer[step] = tree


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
