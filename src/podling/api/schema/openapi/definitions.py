"""Types as OpenAPI schemas, for version 2 (`#/definitions/`) and version 3 (`#/components/schemas/`).

Names, formats and `x-kubernetes-` extensions are those that kubectl, client generators and apply look for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from podling.api.schema.openapi.descriptions import Descriptions
from podling.api.schema.schemas import group_of
from podling.api.schema.types import Field, Type

Version = Literal[2, 3]
PREFIXES: Final[Mapping[int, str]] = {2: "#/definitions/", 3: "#/components/schemas/"}
MODULES: Final[Mapping[str, str]] = {
    "meta": "io.k8s.apimachinery.pkg.apis.meta",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}
QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"
PATCH: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch"
SCALARS: Final[Mapping[str, dict[str, Any]]] = {
    "string": {"type": "string"},
    "duration": {"type": "string"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
}
# Kinds that every group version has.
EVERYWHERE: Final = frozenset({"meta/v1.DeleteOptions", "meta/v1.WatchEvent"})


def model_name(name: str) -> str:
    """`core/v1.Pod` → `io.k8s.api.core.v1.Pod`."""
    package, _, short = name.rpartition(".")
    word, _, version = package.partition("/")
    return f"{MODULES.get(word, f'io.k8s.api.{word}')}.{version}.{short}"


def special(type_: Type) -> str:
    """The model that stands for a scalar with a name of its own, "" for others."""
    return {"quantity": QUANTITY, "intorstring": INT_OR_STRING, "raw": RAW}.get(type_.shape, "")


def model_of(type_: Type) -> str:
    """The model a type is referred to by; "" for what is written in place."""
    if type_.shape in ("struct", "time", "microtime", "fields", "json") or type_.shape.startswith("schemaor"):
        return model_name(type_.name) if type_.name else ""
    return special(type_)


def special_models(version: Version) -> dict[str, dict[str, Any]]:
    """The schemas of the models that are no Go struct."""
    if version == 2:
        quantity: dict[str, Any] = {"type": "string"}
        int_or_string: dict[str, Any] = {"type": "string", "format": "int-or-string"}
    else:
        quantity = {"oneOf": [{"type": "string"}, {"type": "number"}]}
        int_or_string = {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
    return {QUANTITY: quantity, INT_OR_STRING: int_or_string, RAW: {"type": "object"}, PATCH: {"type": "object"}}


class Definitions:
    """Collects the schemas that a document needs: `add` a type, and all that it refers to comes along."""

    def __init__(
        self, version: Version, descriptions: Descriptions, group_versions: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._version = version
        self._prefix = PREFIXES[version]
        self._descriptions = descriptions
        self._group_versions = tuple(group_versions)
        self._special = special_models(version)
        self.schemas: dict[str, dict[str, Any]] = {}

    def add(self, type_: Type) -> None:
        """Adds a type and everything below it."""
        waiting = [type_]
        while waiting:
            now = waiting.pop()
            model = model_of(now)
            if now.element is not None:
                waiting.append(now.element)
            elif model and model not in self.schemas:
                self.schemas[model] = self._schema(model, now)
                waiting += [field.type for field in now.fields.values()]

    def add_special(self, model: str) -> None:
        self.schemas.setdefault(model, self._special[model])

    def ref(self, model: str) -> dict[str, Any]:
        return {"$ref": self._prefix + model}

    def _schema(self, model: str, type_: Type) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if text := self._descriptions.model(model):
            out["description"] = text
        match type_.shape:
            case "struct":
                return out | self._struct(model, type_)
            case "time" | "microtime":
                return out | {"type": "string", "format": "date-time"}
            case "fields":
                return out | {"type": "object"}
        return out | self._special.get(model, {})

    def _struct(self, model: str, type_: Type) -> dict[str, Any]:
        out: dict[str, Any] = {"type": "object"}
        if type_.fields:
            out["properties"] = {name: self._field(model, field) for name, field in type_.fields.items()}
        if required := sorted(name for name, field in type_.fields.items() if is_required(field)):
            out["required"] = required
        if type_.map_type:
            out["x-kubernetes-map-type"] = type_.map_type
        if kinds := self._kinds(type_):
            out["x-kubernetes-group-version-kind"] = kinds
        return out

    def _kinds(self, type_: Type) -> list[dict[str, str]]:
        if not any(field.inline and field.name == "TypeMeta" for field in type_.declared):
            return []
        package, _, kind = type_.name.rpartition(".")
        if type_.name in EVERYWHERE:
            return [{"group": group, "kind": kind, "version": version} for group, version in self._group_versions]
        group, version = ("", "v1") if package == "meta/v1" else group_of(package)
        return [{"group": group, "kind": kind, "version": version}]

    def _field(self, model: str, field: Field) -> dict[str, Any]:
        out = self._value(field.type)
        text = self._descriptions.field(model, field.name)
        default = field.default
        if default is msgspec.UNSET and field.type.shape == "struct" and not field.pointer and self._version == 3:
            default = {}
        if "$ref" in out and (text or default is not msgspec.UNSET) and self._version == 3:
            out = {"allOf": [out]}
        if text:
            out["description"] = text
        if default is not msgspec.UNSET:
            out["default"] = default
        if field.type.values and (field.type.enum or field.enum):
            out["enum"] = list(field.type.values)
        return out | extensions(field)

    def _value(self, type_: Type) -> dict[str, Any]:
        if type_.element is not None:
            inner = self._value(type_.element)
            if type_.shape == "list":
                return {"type": "array", "items": inner}
            return {"type": "object", "additionalProperties": inner}
        if model := model_of(type_):
            return self.ref(model)
        return dict(SCALARS.get(type_.shape, {}))


def is_required(field: Field) -> bool:
    return field.required or not (field.optional or field.omitempty or field.pointer)


_EXTENSIONS: Final[tuple[tuple[str, Callable[[Field], Any]], ...]] = (
    ("x-kubernetes-list-type", lambda field: field.list_type),
    ("x-kubernetes-list-map-keys", lambda field: list(field.list_map_keys)),
    ("x-kubernetes-map-type", lambda field: field.map_type),
    ("x-kubernetes-patch-strategy", lambda field: field.patch_strategy),
    ("x-kubernetes-patch-merge-key", lambda field: field.patch_merge_key),
)


def extensions(field: Field) -> dict[str, Any]:
    """What apply and patch have to know of a field."""
    return {name: value for name, get in _EXTENSIONS if (value := get(field))}
