"""Sets of field paths, in the shape in which they stand in managedFields (FieldsV1).

A set is a tree of dicts: `{"f:data": {".": {}, "f:a": {}}}` holds the paths `.data` and `.data.a`. A key is one step
(`f:` a field, `k:` the keys of a list element, `v:` a value of a set, `i:` an index); `{}` below a key is the path
itself, `"."` says that a path with longer ones below it is a member too. What the API shows is thus what we calculate
with, and nothing has to be parsed or written to compare, join or store a set. Trees are shared and never changed;
their keys stand in upstream's order (structured-merge-diff, "serialize").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

Tree = Mapping[str, Any]
"""Step → Tree; at the root `{}` is the empty set."""
LEAF: Final[Tree] = {}
_MEMBER: Final = "."
_ORDER: Final = {"f": 0, "k": 1, "v": 2, "i": 3}


class NotFields(ValueError):
    """A FieldsV1 that is none."""


def field(name: str) -> str:
    return f"f:{name}"


def keyed(keys: Mapping[str, Any]) -> str:
    """The step to the list element with these keys (in order of their names)."""
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def valued(value: Any) -> str:
    return "v:" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def join(first: Tree, second: Tree) -> Tree:
    """The union; the very same tree where nothing is added."""
    if not first or not second:
        return first or second
    return _joined(first, second)


def join_nodes(first: Tree, second: Tree) -> Tree:
    """The union of two nodes below the root, where `{}` is a path."""
    if not second:
        return first if not first or _MEMBER in first else {_MEMBER: LEAF, **first}
    if not first:
        return second if _MEMBER in second else {_MEMBER: LEAF, **second}
    return _joined(first, second)


def _joined(first: Tree, second: Tree) -> Tree:
    out: dict[str, Any] | None = None
    for step, other in second.items():
        below = first.get(step)
        node = other if below is None else join_nodes(below, other)
        if node is not below:
            out = dict(first) if out is None else out
            out[step] = node
    if out is None:
        return first
    return out if len(out) == len(first) else ordered(out)


def without(first: Tree, second: Tree) -> Tree:
    """The difference; the very same tree where nothing is taken away."""
    if not first or not second:
        return first
    out: dict[str, Any] | None = None
    for step, other in second.items():
        below = first.get(step)
        if below is None:
            continue
        rest = None if step == _MEMBER else _rest(below, other)
        if rest is not below:
            out = dict(first) if out is None else out
            if rest is None:
                del out[step]
            else:
                out[step] = rest
    if out is None:
        return first
    return out


def _rest(below: Tree, other: Tree) -> Tree | None:
    """A node less another; None where no path is left."""
    if not below:
        return None if not other or _MEMBER in other else below
    if not other:
        other = {_MEMBER: LEAF}
    rest = without(below, other)
    if not rest:
        return None
    return LEAF if len(rest) == 1 and _MEMBER in rest else rest


def common(first: Tree, second: Tree) -> Tree:
    """The intersection."""
    out: dict[str, Any] = {}
    if not second:
        return LEAF
    for step, below in first.items():
        other = second.get(step)
        if other is None:
            continue
        if step == _MEMBER:
            out[step] = LEAF
            continue
        shared = _shared(below, other)
        if shared is not None:
            out[step] = shared
    return out


def _shared(below: Tree, other: Tree) -> Tree | None:
    both = (not below or _MEMBER in below) and (not other or _MEMBER in other)
    inner = {step: tree for step, tree in common(below, other).items() if step != _MEMBER}
    if inner:
        return {_MEMBER: LEAF, **inner} if both else inner
    return LEAF if both else None


def steps(tree: Tree, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of a set, at each level the members first and then what is below them."""
    for step, below in tree.items():
        if step != _MEMBER and (not below or _MEMBER in below):
            yield (*prefix, step)
    for step, below in tree.items():
        if below:
            yield from steps(below, (*prefix, step))


def path_text(path: tuple[str, ...]) -> str:
    """`.spec.ports[port=80,protocol="TCP"].nodePort`, as conflicts and errors say it."""
    return "".join(_step_text(step) for step in path)


def _step_text(step: str) -> str:
    kind, text = step[0], step[2:]
    if kind == "f":
        return f".{text}"
    if kind == "i":
        return f"[{text}]"
    value = orjson.loads(text)
    if kind == "k":
        return "[" + ",".join(f"{name}={_quoted(item)}" for name, item in value.items()) + "]"
    return f"[={_quoted(value)}]"


def _quoted(value: Any) -> str:
    return orjson.dumps(value).decode()


def ordered(tree: Tree) -> Tree:
    """The tree with the steps at its root in order."""
    return dict(sorted(tree.items(), key=_place))


def _place(item: tuple[str, Any]) -> tuple[Any, ...]:
    return place(item[0])


def place(step: str) -> tuple[Any, ...]:
    """Where a step stands among its siblings."""
    if step[1:2] != ":":
        return (-1,)
    if step[0] == "f":
        return (0, step)
    return _keyed_place(step)


@lru_cache(maxsize=16384)
def _keyed_place(step: str) -> tuple[Any, ...]:
    kind = _ORDER[step[0]]
    if step[0] == "i":
        return (kind, int(step[2:]))
    value = orjson.loads(step[2:])
    if step[0] == "k":
        return (kind, tuple((name, *_rank(item)) for name, item in value.items()))
    return (kind, *_rank(value))


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before texts before truth values, as upstream compares values."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    return (3, orjson.dumps(value))


def parse(value: Any) -> Tree:
    """A FieldsV1 from outside in the one spelling. Raises NotFields.

    Equal texts give the same tree: the answers of clients that write back what they read cost one lookup.
    """
    try:
        return _parsed(orjson.dumps(value))
    except (TypeError, orjson.JSONEncodeError) as error:
        raise NotFields(str(error)) from None


@lru_cache(maxsize=4096)
def _parsed(text: bytes) -> Tree:
    value = orjson.loads(text)
    if not isinstance(value, dict):
        raise NotFields("not an object")
    tree = _canonical(value)
    return LEAF if tree is None or (len(tree) == 1 and _MEMBER in tree) else tree


def _canonical(value: dict[str, Any]) -> Tree:
    out: dict[str, Any] = {}
    for step, below in value.items():
        if not isinstance(below, dict):
            raise NotFields(f"not an object below {step}")
        out[_spelled(step)] = _canonical(below) if step != _MEMBER else LEAF
    if len(out) == 1 and _MEMBER in out:
        return LEAF
    return ordered(out)


def _spelled(step: str) -> str:
    if step == _MEMBER or step.startswith("f:"):
        return step
    try:
        if step.startswith("i:"):
            return f"i:{int(step[2:])}"
        if step.startswith("v:"):
            return valued(orjson.loads(step[2:]))
        if step.startswith("k:") and isinstance(keys := orjson.loads(step[2:]), dict) and keys:
            return keyed(keys)
    except ValueError:
        pass
    raise NotFields(f"not a step of a path: {step}")
