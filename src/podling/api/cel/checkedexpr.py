"""The checked expression as the library writes it (`cel.expr.CheckedExpr`), read into nodes.

The wire format is protobuf's; the few message types (cel-spec, `checked.proto`, `syntax.proto`) are known by heart,
which spares a generated module.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from podling.api.cel.types import CelType
from podling.api.cel.values import Uint


class Const(NamedTuple):
    id: int
    value: Any


class Ident(NamedTuple):
    id: int
    name: str


class Select(NamedTuple):
    id: int
    operand: Node
    field: str
    test: bool
    """`has(operand.field)`."""


class Call(NamedTuple):
    id: int
    target: Node | None
    function: str
    args: tuple[Node, ...]


class ListNode(NamedTuple):
    id: int
    elements: tuple[Node, ...]
    optional: frozenset[int]
    """Indexes of `[?x]`."""


class Entry(NamedTuple):
    key: Node | str
    value: Node
    optional: bool


class MapNode(NamedTuple):
    id: int
    message: str
    """The name of the struct, empty for a map."""
    entries: tuple[Entry, ...]


class Comprehension(NamedTuple):
    id: int
    variable: str
    second: str
    """The second variable of a two-variable macro, else empty."""
    range: Node
    accumulator: str
    init: Node
    condition: Node
    step: Node
    result: Node


Node = Const | Ident | Select | Call | ListNode | MapNode | Comprehension


@dataclass(frozen=True, slots=True)
class Checked:
    """An expression, and by the ids of its nodes: types, and the names that idents and calls turned out to mean."""

    root: Node
    types: Mapping[int, CelType]
    names: Mapping[int, str]
    offsets: Mapping[int, int] = field(default_factory=dict)
    """Where a node stands in the text, in characters."""

    @property
    def result(self) -> CelType:
        return self.types.get(self.root.id, CelType("dyn"))


PRIMITIVES: Final = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
WELL_KNOWN: Final = {1: "dyn", 2: "timestamp", 3: "duration"}
DYN: Final = CelType("dyn")
Message = dict[int, list[Any]]


def read(data: bytes) -> Checked:
    """`data`: a serialized `google.protobuf.Any` with a CheckedExpr."""
    checked = _message(_one(_message(data), 2, b""))
    names: dict[int, str] = {}
    for item in checked.get(2, ()):
        entry = _message(item)
        names[_one(entry, 1, 0)] = _text(_one(_message(_one(entry, 2, b"")), 1, b""))
    types: dict[int, CelType] = {}
    for item in checked.get(3, ()):
        entry = _message(item)
        types[_one(entry, 1, 0)] = _type(_message(_one(entry, 2, b"")))
    offsets: dict[int, int] = {}
    for item in _message(_one(checked, 5, b"")).get(4, ()):
        entry = _message(item)
        offsets[_one(entry, 1, 0)] = _one(entry, 2, 0)
    named = {key: name for key, name in names.items() if name}
    return Checked(_node(_one(checked, 4, b"")), types, named, offsets)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size
        else:
            size = 8 if wire == 1 else 4
            yield number, data[at : at + size]
            at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    out = shift = 0
    while True:
        byte = data[at]
        at += 1
        out |= (byte & 127) << shift
        if byte < 128:
            return out, at
        shift += 7


def _message(data: bytes) -> Message:
    out: Message = {}
    for number, value in _fields(data):
        out.setdefault(number, []).append(value)
    return out


def _one(message: Message, number: int, fallback: Any) -> Any:
    values = message.get(number)
    return values[-1] if values else fallback


def _text(data: bytes) -> str:
    return data.decode("utf-8")


def _node(data: bytes) -> Node:
    message = _message(data)
    id_ = _one(message, 2, 0)
    for number, make in _NODES.items():
        if number in message:
            return make(id_, _message(message[number][-1]))
    raise ValueError("expression without a kind")


def _const(id_: int, said: Message) -> Node:
    for number, value in said.items():
        return Const(id_, _CONSTANTS[number](value[-1]))
    return Const(id_, None)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


_CONSTANTS: Final[Mapping[int, Any]] = {
    1: lambda value: None,
    2: bool,
    3: _signed,
    4: Uint,
    5: lambda value: struct.unpack("<d", value)[0],
    6: _text,
    7: bytes,
}


def _ident(id_: int, said: Message) -> Node:
    return Ident(id_, _text(_one(said, 1, b"")))


def _select(id_: int, said: Message) -> Node:
    return Select(id_, _node(_one(said, 1, b"")), _text(_one(said, 2, b"")), bool(_one(said, 3, 0)))


def _call(id_: int, said: Message) -> Node:
    target = _node(said[1][-1]) if 1 in said else None
    return Call(id_, target, _text(_one(said, 2, b"")), tuple(_node(each) for each in said.get(3, ())))


def _list(id_: int, said: Message) -> Node:
    optional: list[int] = []
    for packed in said.get(2, ()):
        if isinstance(packed, int):
            optional.append(packed)
            continue
        at = 0
        while at < len(packed):
            index, at = _varint(packed, at)
            optional.append(index)
    return ListNode(id_, tuple(_node(each) for each in said.get(1, ())), frozenset(optional))


def _map(id_: int, said: Message) -> Node:
    return MapNode(id_, _text(_one(said, 1, b"")), tuple(_entry(_message(each)) for each in said.get(2, ())))


def _entry(said: Message) -> Entry:
    key = _node(said[3][-1]) if 3 in said else _text(_one(said, 2, b""))
    return Entry(key, _node(_one(said, 4, b"")), bool(_one(said, 5, 0)))


def _comprehension(id_: int, said: Message) -> Node:
    text = {number: _text(_one(said, number, b"")) for number in (1, 3, 8)}
    nodes = {number: _node(_one(said, number, b"")) for number in (2, 4, 5, 6, 7)}
    return Comprehension(id_, text[1], text[8], nodes[2], text[3], nodes[4], nodes[5], nodes[6], nodes[7])


_NODES: Final[Mapping[int, Callable[[int, Message], Node]]] = {
    3: _const,
    4: _ident,
    5: _select,
    6: _call,
    7: _list,
    8: _map,
    9: _comprehension,
}


def _type(said: Message) -> CelType:
    for number, values in said.items():
        value = values[-1]
        match number:
            case 2:
                return CelType("null")
            case 3:
                return CelType(PRIMITIVES.get(value, "dyn"))
            case 4:
                return CelType(PRIMITIVES.get(value, "dyn"), nullable=True)
            case 5:
                return CelType(WELL_KNOWN.get(value, "dyn"))
            case 6:
                return CelType("list", (_inner(_message(value), 1),))
            case 7:
                inner = _message(value)
                return CelType("map", (_inner(inner, 1), _inner(inner, 2)))
            case 9:
                return CelType(_text(value), fields={})
            case 11:
                return CelType("type")
            case 14:
                inner = _message(value)
                params = tuple(_type(_message(each)) for each in inner.get(2, ()))
                return CelType(_text(_one(inner, 1, b"")), params)
    return DYN


def _inner(said: Message, number: int) -> CelType:
    return _type(_message(said[number][-1])) if number in said else DYN
