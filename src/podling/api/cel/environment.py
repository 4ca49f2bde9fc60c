"""Parsing and type-checking, done by the library (cel-expr-python, Google's cel-cpp).

An environment is a text in the library's own configuration format (JSON is YAML), with every function of
`functions/` in it; structs become messages of a protobuf pool made up on the spot, since that is how the library knows
fields. The library and protobuf are imported when the first expression is compiled, so that servers without expressions
do not carry them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from podling.api.cel.checkedexpr import Checked, read
from podling.api.cel.errors import CelSyntaxError
from podling.api.cel.function import declared
from podling.api.cel.library import FUNCTIONS
from podling.api.cel.types import CelType

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto

Json = dict[str, Any]
EXTENSIONS: Final = ("optional", "two-var-comprehensions", "bindings")
REPLACED: Final = ("_<_", "_<=_", "_>_", "_>=_", "string")
"""Functions of the standard that Kubernetes gives more overloads; declared anew as a whole."""
PACKAGE: Final = "podling"
DEEPEST: Final = 100_000
"""Characters of an expression."""

_SCALARS: Final = {"bool": 8, "int": 3, "uint": 4, "double": 1, "string": 9, "bytes": 12}
_WRAPPERS: Final = {
    "bool": "BoolValue",
    "int": "Int64Value",
    "uint": "UInt64Value",
    "double": "DoubleValue",
    "string": "StringValue",
    "bytes": "BytesValue",
}
_MESSAGES: Final = {"timestamp": "Timestamp", "duration": "Duration"}
_MESSAGE: Final = 11
_REPEATED: Final = 3


class Environment:
    """Knows the types of some variables; `check(expression)` as often as there are expressions over them."""

    def __init__(self, variables: Mapping[str, CelType], structs: Structs | None = None) -> None:
        self._variables, self._structs = variables, structs or Structs()
        for type_ in variables.values():
            self._structs.said(type_)
        self._env: Any = None

    def check(self, expression: str) -> Checked:
        """Raises CelSyntaxError with upstream's words."""
        if len(expression) > DEEPEST:
            raise CelSyntaxError(f"expression code point size exceeds limit: size: {len(expression)}, limit {DEEPEST}")
        if self._env is None:
            self._env = self._made()
        try:
            data: bytes = self._env.compile(expression).serialize()
        except (RuntimeError, ValueError) as error:
            raise CelSyntaxError(f"compilation failed: {_cleaned(str(error))}") from None
        try:
            return read(data)
        except RecursionError:
            raise CelSyntaxError("compilation failed: expression is nested too deeply") from None

    def _made(self) -> Any:
        from cel_expr_python import cel

        pool = self._structs.pool()
        said = {name: self._structs.said(type_) for name, type_ in self._variables.items()}
        simple = {name: _simple(each) for name, each in said.items()}
        if None not in simple.values():
            variables = {name: cel.Type(text) for name, text in simple.items()}
            return cel.NewEnv(descriptor_pool=pool, config=_config(), variables=variables)
        # Only the library's own format can say what an optional holds.
        text = json.dumps({**_base(), "variables": [{"name": name, **each} for name, each in said.items()]})
        return cel.NewEnv(descriptor_pool=pool, config=cel.NewEnvConfigFromYaml(text))


def _simple(said: Json) -> str | None:
    """The type as the library's signatures have it; None where they cannot say it."""
    name = str(said["type_name"])
    if name == "optional_type":
        return None
    inner = [_simple(each) for each in said.get("params", ())]
    if None in inner:
        return None
    return f"{name}<{', '.join(each or '' for each in inner)}>" if inner else name


@lru_cache(maxsize=1)
def _config() -> Any:
    """Reading it takes ten times as long as making an environment of it."""
    from cel_expr_python import cel

    return cel.NewEnvConfigFromYaml(json.dumps(_base()))


@lru_cache(maxsize=1)
def _base() -> Json:
    return {
        "stdlib": {"exclude_functions": [{"name": name} for name in REPLACED]},
        "extensions": [{"name": name} for name in EXTENSIONS],
        "functions": declared(FUNCTIONS),
    }


class Structs:
    """Structs as protobuf messages, named by the order in which they were met.

    Environments that share them share the messages, too.
    """

    def __init__(self) -> None:
        self._pool: Any = None
        self._pooled = 0
        self._messages: list[tuple[str, CelType]] = []
        self._known: dict[int, str] = {}

    def said(self, type_: CelType) -> Json:
        """The type as environment files have it."""
        if type_.fields is not None:
            return {"type_name": f"{PACKAGE}.{self._named(type_)}"}
        if not type_.params:
            return {"type_name": type_.name}
        return {"type_name": type_.name, "params": [self.said(each) for each in type_.params]}

    def _named(self, type_: CelType) -> str:
        known = self._known.get(id(type_))
        if known is None:
            known = self._known[id(type_)] = f"{type_.name}_{len(self._messages)}"
            self._messages.append((known, type_))
        return known

    def pool(self) -> Any:
        """None where there are no structs: the library has a pool of its own then."""
        if not self._messages or self._pooled == len(self._messages):
            return self._pool
        from google.protobuf import descriptor_pb2, descriptor_pool

        pool = descriptor_pool.DescriptorPool()
        for data in _well_known():
            pool.AddSerializedFile(data)
        file = descriptor_pb2.FileDescriptorProto(name="schema.proto", package=PACKAGE, syntax="proto2")
        file.dependency.extend(f"google/protobuf/{name}.proto" for name in _IMPORTS)
        done = 0
        while done < len(self._messages):  # more are met on the way
            name, type_ = self._messages[done]
            done += 1
            self._declare(file.message_type.add(name=name), type_)
        pool.AddSerializedFile(file.SerializeToString())
        self._pool, self._pooled = pool, len(self._messages)
        return pool

    def _declare(self, message: DescriptorProto, type_: CelType) -> None:
        entries: set[str] = set()
        # `foo_bar` and `fooBar` may stand side by side: nobody writes these messages as JSON.
        message.options.deprecated_legacy_json_field_conflicts = True
        for number, (name, field) in enumerate((type_.fields or {}).items(), 1):
            entry = f"{_camel(name)}Entry"
            if field.name == "map" and _direct(field.params[1]) and entry not in entries:
                entries.add(entry)
                self._map(message, name, number, field)
                continue
            repeated = field.name == "list" and _direct(field.params[0])
            said = self._field(field.params[0] if repeated else field)
            message.field.add(name=name, number=number, label=_REPEATED if repeated else 1, **said)

    def _map(self, message: DescriptorProto, name: str, number: int, field: CelType) -> None:
        entry = message.nested_type.add(name=f"{_camel(name)}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=1, type=_SCALARS["string"])
        entry.field.add(name="value", number=2, label=1, **self._field(field.params[1]))
        whole = f".{PACKAGE}.{message.name}.{entry.name}"
        message.field.add(name=name, number=number, label=_REPEATED, type=_MESSAGE, type_name=whole)

    def _field(self, type_: CelType) -> Json:
        if type_.fields is not None:
            return {"type": _MESSAGE, "type_name": f".{PACKAGE}.{self._named(type_)}"}
        if type_.nullable and type_.name in _WRAPPERS:
            return _well_known_type(_WRAPPERS[type_.name])
        if type_.name in _SCALARS:
            return {"type": _SCALARS[type_.name]}
        return _well_known_type(_MESSAGES.get(type_.name, "Value"))


def _direct(type_: CelType) -> bool:
    """Whether protobuf can hold it inside of a list or a map."""
    return type_.name not in ("list", "map") and not type_.nullable


def _camel(name: str) -> str:
    """What protobuf wants the entries of a map field to be called by."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _well_known_type(name: str) -> Json:
    return {"type": _MESSAGE, "type_name": f".google.protobuf.{name}"}


_IMPORTS: Final = ("struct", "wrappers", "timestamp", "duration")


@lru_cache(maxsize=1)
def _well_known() -> tuple[bytes, ...]:
    from google.protobuf import any_pb2, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2

    files = (struct_pb2, wrappers_pb2, timestamp_pb2, duration_pb2, any_pb2)
    return tuple(file.DESCRIPTOR.serialized_pb for file in files)


_CODES: Final = re.compile(r"\A[A-Z_]+: (?=ERROR: |[A-Z])| \[[A-Z_]+\]\Z")
_STRUCT: Final = re.compile(rf" not found in struct '{PACKAGE}\.[A-Za-z0-9_.]*'")
_NAMED: Final = re.compile(rf"\b{PACKAGE}\.([A-Za-z_][A-Za-z0-9_]*)_\d+\b")


def _cleaned(text: str) -> str:
    """The library's report as upstream's: its status codes off, types by their own names."""
    text = _CODES.sub("", text)
    text = _NAMED.sub(r"\1", _STRUCT.sub("", text))
    return text.rstrip()
