"""Custom resources in the OpenAPI documents: the CRD's own schema, with what every object has around it.

Version 2 knows neither unions nor nulls nor free nodes beside named ones, so there these are left out, as upstream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from podling.api.schema.openapi.definitions import Definitions, Version, model_name
from podling.api.schema.openapi.served import ServedResource
from podling.api.schema.schemas import Schemas

Json = dict[str, Any]

API_VERSION: Final = "The versioned schema this object is written in."
KIND: Final = "The name of the REST resource this object represents, in CamelCase; it cannot be changed."
METADATA: Final = "Standard object's metadata."
# What a version 2 document cannot say.
ONLY_V3: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "nullable", "default"})


class CustomModels:
    """The models of the custom resources among `resources`, added to `definitions` as they are referred to."""

    def __init__(
        self, version: Version, schemas: Schemas, definitions: Definitions, resources: Iterable[ServedResource]
    ) -> None:
        self._version, self._schemas, self._definitions = version, schemas, definitions
        self._found = {(each.group, each.version, each.kind): each for each in resources if each.schema}

    def ref(self, group: str, version: str, kind: str) -> Json | None:
        """A reference to a custom kind or its list; None for what is no custom kind."""
        found = self._found.get((group, version, kind))
        if found is not None:
            return self._add(group, version, kind, lambda: self._object(orjson.loads(found.schema)))
        item = kind.removesuffix("List")
        if item != kind and (group, version, item) in self._found:
            return self._add(group, version, kind, lambda: self._list(group, version, item))
        return None

    def _add(self, group: str, version: str, kind: str, make: Any) -> Json:
        model = ".".join([*reversed(group.split(".")), version, kind])
        if model not in self._definitions.schemas:
            said = [{"group": group, "kind": kind, "version": version}]
            self._definitions.schemas[model] = make() | {"x-kubernetes-group-version-kind": said}
        return self._definitions.ref(model)

    def _object(self, schema: Json) -> Json:
        if self._version == 2:
            if schema.get("x-kubernetes-preserve-unknown-fields"):
                # Who checks by this document would refuse what is not named beside named properties.
                return {"type": "object"}
            schema = _plain(schema)
        properties = schema.get("properties") or {}
        return schema | {
            "properties": self._meta("ObjectMeta") | {k: v for k, v in properties.items() if k not in _META}
        }

    def _list(self, group: str, version: str, item: str) -> Json:
        items = {"type": "array", "items": self.ref(group, version, item), "description": f"List of {item} objects."}
        return {
            "type": "object",
            "description": f"{item}List is a list of {item}",
            "required": ["items"],
            "properties": self._meta("ListMeta") | {"items": items},
        }

    def _meta(self, metadata: str) -> Json:
        name = f"meta/v1.{metadata}"
        self._definitions.add(self._schemas.named(name))
        ref = self._definitions.ref(model_name(name))
        return {
            "apiVersion": {"type": "string", "description": API_VERSION},
            "kind": {"type": "string", "description": KIND},
            "metadata": {"description": METADATA, **({"allOf": [ref]} if self._version == 3 else ref)},
        }


_META: Final = frozenset({"apiVersion", "kind", "metadata"})


def _plain(schema: Any) -> Any:
    """A schema without what version 2 cannot say."""
    if not isinstance(schema, Mapping):
        return schema
    out = {key: value for key, value in schema.items() if key not in ONLY_V3}
    if schema.get("nullable") or schema.get("x-kubernetes-int-or-string"):
        out.pop("type", None)
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        out.pop("properties", None)
        out.pop("items", None)
    if "properties" in out:
        out["properties"] = {name: _plain(each) for name, each in out["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in out:
            out[key] = _plain(out[key])
    return out
