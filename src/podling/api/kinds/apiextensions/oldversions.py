"""CustomResourceDefinition as apiextensions.k8s.io/v1beta1 wrote it, until 1.22.

There a definition could speak for all its versions at once (`validation`, `subresources`, `additionalPrinterColumns`),
leave its schema out, or write one without types; unknown fields were kept unless it said otherwise. v1 wants a
structural schema in each version, so what is missing is filled in: objects where there are properties, lists where
there are items, anything at all elsewhere. An annotation lists what was filled in, and how the definition was written,
so that it reads in v1beta1 as it did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import annotated, annotation, renamed, replaced, with_spec

HUB: Final = "apiextensions.k8s.io/v1"
AS_WRITTEN: Final = "podling.dev/v1beta1-definition"
KEEP_UNKNOWN: Final = "x-kubernetes-preserve-unknown-fields"
# Field of all versions at once → field of one version.
_TOGETHER: Final = {
    "validation": "schema",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}


def beta_defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, "scope", "Namespaced")
    names = spec.setdefault("names", {})
    if kind := names.get("kind"):
        fill(names, "singular", kind.lower())
        fill(names, "listKind", f"{kind}List")
    if not spec.get("versions") and spec.get("version"):
        spec["versions"] = [{"name": spec["version"], "served": True, "storage": True}]
    elif spec.get("versions"):
        fill(spec, "version", spec["versions"][0].get("name", ""))
    if spec.get("preserveUnknownFields") is None:
        spec["preserveUnknownFields"] = True
    conversion = spec.setdefault("conversion", {})
    fill(conversion, "strategy", "None")
    if conversion["strategy"] == "Webhook":
        fill(conversion, "conversionReviewVersions", ["v1beta1"])
    if (service := (conversion.get("webhookClientConfig") or {}).get("service")) is not None:
        service.setdefault("port", 443)


def definitions() -> Conversion:
    return with_spec("apiextensions.k8s.io", "v1beta1", beta_defaults, HUB, _to_hub, _from_hub)


def _to_hub(obj: Json) -> Json:
    spec = dict(obj.get("spec") or {})
    written: dict[str, Any] = {"together": [name for name in _TOGETHER if name in spec]}
    together = {each: spec.pop(name) for name, each in _TOGETHER.items() if name in spec}
    written["version"] = spec.pop("version", "")
    keep = spec.pop("preserveUnknownFields", False)
    written["keep"] = keep
    written["added"] = []
    versions = []
    for index, version in enumerate(spec.get("versions") or ()):
        one = together | version
        if "additionalPrinterColumns" in one:
            one["additionalPrinterColumns"] = [
                renamed(each, JSONPath="jsonPath") for each in one["additionalPrinterColumns"]
            ]
        one["schema"], added = _structural(one.get("schema"), bool(keep))
        written["added"] += [[index, *path] for path in added]
        versions.append(one)
    spec["versions"] = versions
    spec["conversion"] = _newer_conversion(spec.get("conversion") or {})
    return annotated(obj, AS_WRITTEN, msgspec.json.encode(written).decode()) | {"spec": spec}


def _from_hub(obj: Json) -> Json:
    spec = dict(obj.get("spec") or {})
    written = _read(annotation(obj, AS_WRITTEN))
    versions = [_older_version(each) for each in spec.get("versions") or ()]
    for index, *path in written.get("added") or ():
        if index < len(versions):
            versions[index] = _without(versions[index], path)
    together = written.get("together")
    for name, each in _TOGETHER.items():
        values = [version.get(each) for version in versions]
        same = bool(values) and values[0] is not None and all(value == values[0] for value in values)
        if same and (name in together if together is not None else len(versions) == 1):
            spec[name] = values[0]
            versions = [replaced(version, **{each: None}) for version in versions]
    spec["versions"] = versions
    if version := written.get("version") or (versions[0].get("name") if versions else ""):
        spec["version"] = version
    spec["preserveUnknownFields"] = bool(written.get("keep", False))
    spec["conversion"] = _older_conversion(spec.get("conversion") or {})
    return annotated(obj, AS_WRITTEN, None) | {"spec": spec}


def _read(text: str) -> Json:
    try:
        found = msgspec.json.decode(text) if text else {}
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _older_version(version: Json) -> Json:
    columns = version.get("additionalPrinterColumns")
    if columns is None:
        return version
    return version | {"additionalPrinterColumns": [renamed(each, jsonPath="JSONPath") for each in columns]}


def _newer_conversion(conversion: Json) -> Json:
    rest = replaced(conversion, webhookClientConfig=None, conversionReviewVersions=None)
    client, versions = conversion.get("webhookClientConfig"), conversion.get("conversionReviewVersions")
    if client is None and versions is None:
        return rest
    webhook = ({} if client is None else {"clientConfig": client}) | {"conversionReviewVersions": versions or []}
    return rest | {"webhook": webhook}


def _older_conversion(conversion: Json) -> Json:
    rest, webhook = replaced(conversion, webhook=None), conversion.get("webhook") or {}
    if webhook.get("clientConfig") is not None:
        rest["webhookClientConfig"] = webhook["clientConfig"]
    if webhook.get("conversionReviewVersions"):
        rest["conversionReviewVersions"] = webhook["conversionReviewVersions"]
    return rest


def _structural(validation: Json | None, keep: bool) -> tuple[Json, list[list[str | int]]]:
    """The schema of a version, made structural; and the paths of what was added, from the version on."""
    schema = (validation or {}).get("openAPIV3Schema")
    if schema is None:
        root = {"type": "object", KEEP_UNKNOWN: True}
        return {**(validation or {}), "openAPIV3Schema": root}, [["schema"] if validation is None else _ROOT]
    added: list[list[str | int]] = []
    made = _completed(schema, list(_ROOT), added, keep)
    return {**(validation or {}), "openAPIV3Schema": made}, added


_ROOT: Final[list[str | int]] = ["schema", "openAPIV3Schema"]


def _completed(schema: Json, path: list[str | int], added: list[list[str | int]], keep: bool) -> Json:
    """A schema with a type at each place that needs one; `keep`: whose objects keep what it does not know."""
    out = dict(schema)
    for key, inner, into in _below(schema):
        made = _completed(inner, [*path, *into], added, keep)
        if len(into) == 2:
            out[key] = out[key] | {into[1]: made}
        else:
            out[key] = made
    if not out.get("type") and not out.get("x-kubernetes-int-or-string") and not out.get(KEEP_UNKNOWN):
        name, value = _missing(out, root=len(path) == len(_ROOT))
        out[name] = value
        added.append([*path, name])
    if keep and out.get("type") == "object" and not out.get("additionalProperties") and KEEP_UNKNOWN not in out:
        out[KEEP_UNKNOWN] = True
        added.append([*path, KEEP_UNKNOWN])
    return out


def _missing(schema: Json, *, root: bool) -> tuple[str, Any]:
    if root or schema.get("properties") or schema.get("additionalProperties"):
        return "type", "object"
    if schema.get("items"):
        return "type", "array"
    return KEEP_UNKNOWN, True


def _below(schema: Json) -> Iterator[tuple[str, Json, list[str | int]]]:
    """The schemas inside: the field that holds each, the schema, its path from here."""
    for name, inner in (schema.get("properties") or {}).items():
        if isinstance(inner, dict):
            yield "properties", inner, ["properties", name]
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield key, schema[key], [key]


def _without(value: Any, path: list[str | int]) -> Any:
    """The value without what lies at a path; as it is where nothing lies there."""
    first, *rest = path
    if not isinstance(value, Mapping) or first not in value:
        return value
    if rest:
        return {**value, first: _without(value[first], rest)}
    return {key: found for key, found in value.items() if key != first}
