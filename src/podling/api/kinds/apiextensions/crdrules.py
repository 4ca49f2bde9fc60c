"""What a CustomResourceDefinition's spec may say, in upstream's words.

What all versions have in common (schema, subresources, columns) upstream reports at the top of spec, as its internal
form has it there; clients know these paths, so they are the same here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from podling.api import names as name_rules
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.admissionregistration.webhookrules import client_config
from podling.api.kinds.apiextensions.conversionreview import KNOWN
from podling.api.kinds.kind import Json
from podling.api.schema.custom.jsonpath import BadPath, compile_path, keys_of
from podling.api.schema.custom.rulecheck import rule_causes
from podling.api.schema.custom.structural import has_rules, structural_causes

COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS: Final = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MOST_SELECTABLE: Final = 8
_GONE: Final = (
    "missing from spec.versions; {0} was previously a storage version, and must remain in spec.versions until a "
    "storage migration ensures no data remains persisted in {0} and removes {0} from status.storedVersions"
)


def spec_causes(spec: Json) -> list[Cause]:
    """Everything wrong with a spec but the name of the object."""
    versions = spec.get("versions") or []
    out = [*_group(spec.get("group") or ""), *_scope(spec.get("scope") or ""), *_versions(versions)]
    out += _conversion(spec.get("conversion") or {})
    out += _names(spec.get("names") or {}, "spec.names")
    if spec.get("preserveUnknownFields"):
        text = "must be false or omitted; use x-kubernetes-preserve-unknown-fields in the schema"
        out.append(causes.invalid("spec.preserveUnknownFields", True, text))
    return (
        out + [each for make in (_schemas, _subresources, _columns) for each in make(versions)] + _selectable(versions)
    )


def stored_causes(obj: Json) -> list[Cause]:
    """storedVersions holds the storage version and nothing that spec.versions has not."""
    stored = (obj.get("status") or {}).get("storedVersions") or []
    if not stored:
        return [causes.invalid("status.storedVersions", [], "must have at least one stored version")]
    versions = (obj.get("spec") or {}).get("versions") or []
    known = {each.get("name") for each in versions}
    out = [
        causes.invalid(f"status.storedVersions[{index}]", name, _GONE.format(name))
        for index, name in enumerate(stored)
        if name not in known
    ]
    current = next((each.get("name") for each in versions if each.get("storage")), None)
    if current is not None and current not in stored:
        out.append(causes.invalid("status.storedVersions", stored, f"must have the storage version {current}"))
    return out


def _group(group: str) -> Iterator[Cause]:
    if not group:
        yield causes.required("spec.group")
        return
    wrong = name_rules.dns_subdomain(group)
    if wrong:
        yield causes.invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        yield causes.invalid("spec.group", group, "should be a domain with at least one dot")


def _scope(scope: str) -> Iterator[Cause]:
    if not scope:
        yield causes.required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield causes.unsupported("spec.scope", scope, ("Cluster", "Namespaced"))


def _versions(versions: Sequence[Json]) -> Iterator[Cause]:
    seen: set[str] = set()
    storing, unique = 0, True
    for index, each in enumerate(versions):
        name = each.get("name") or ""
        storing += bool(each.get("storage"))
        unique = unique and name not in seen
        seen.add(name)
        if wrong := name_rules.dns_1035_label(name):
            yield causes.invalid(f"spec.versions[{index}].name", name, ",".join(wrong))
        if each.get("deprecationWarning") is not None and not each.get("deprecated"):
            text = "can only be set for deprecated versions"
            yield causes.invalid(f"spec.versions[{index}].deprecationWarning", each["deprecationWarning"], text)
    shown = [each.get("name") or "" for each in versions]
    if not unique:
        yield causes.invalid("spec.versions", shown, "must contain unique version names")
    if storing != 1:
        yield causes.invalid("spec.versions", shown, "must have exactly one version marked as storage version")


def _conversion(conversion: Json) -> Iterator[Cause]:
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook")
    if strategy not in ("None", "Webhook"):
        yield causes.unsupported("spec.conversion.strategy", strategy, ("None", "Webhook"))
    elif strategy == "None" and webhook is not None:
        text = "should not be set when strategy is not set to Webhook"
        yield causes.forbidden("spec.conversion.webhookClientConfig", text)
    elif strategy == "Webhook":
        if not webhook or webhook.get("clientConfig") is None:
            text = "required when strategy is set to Webhook"
            yield causes.required("spec.conversion.webhookClientConfig", text)
        else:
            yield from client_config("spec.conversion.webhookClientConfig", webhook["clientConfig"])
        yield from _review_versions((webhook or {}).get("conversionReviewVersions") or ())


def _review_versions(said: Sequence[str]) -> Iterator[Cause]:
    path = "spec.conversion.conversionReviewVersions"
    if not said:
        yield causes.required(path)
        return
    for index, version in enumerate(said):
        if version in said[:index]:
            yield causes.invalid(f"{path}[{index}]", version, "duplicate version")
        if wrong := name_rules.dns_1035_label(version):
            yield causes.invalid(f"{path}[{index}]", version, ",".join(wrong))
    if not set(said) & set(KNOWN):
        yield causes.invalid(path, list(said), f"must include at least one of {', '.join(KNOWN)}")


def _names(names: Json, path: str) -> Iterator[Cause]:
    for field in ("plural", "singular"):
        if wrong := name_rules.dns_1035_label(names.get(field) or ""):
            yield causes.invalid(f"{path}.{field}", names.get(field) or "", ",".join(wrong))
    for field in ("kind", "listKind"):
        value = names.get(field) or ""
        if wrong := name_rules.dns_1035_label(value.lower()):
            text = f"may have mixed case, but should otherwise match: {','.join(wrong)}"
            yield causes.invalid(f"{path}.{field}", value, text)
    for field in ("shortNames", "categories"):
        for index, value in enumerate(names.get(field) or ()):
            if wrong := name_rules.dns_1035_label(value):
                yield causes.invalid(f"{path}.{field}[{index}]", value, ",".join(wrong))
    if names.get("kind") and names["kind"] == names.get("listKind"):
        yield causes.invalid(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same")


def _each(versions: Sequence[Json], key: str, top: str) -> Iterator[tuple[Any, str]]:
    """The values of a field of all versions, each with its path; once, at the top, where they are the same."""
    values = [each.get(key) for each in versions]
    if values and all(value == values[0] for value in values):
        yield values[0], f"spec.{top}"
        return
    for index, value in enumerate(values):
        yield value, f"spec.versions[{index}].{key}"


def _schemas(versions: Sequence[Json]) -> Iterator[Cause]:
    for value, path in _each(versions, "schema", "validation"):
        schema = (value or {}).get("openAPIV3Schema")
        if schema is None:
            for index, each in enumerate(versions):
                if not (each.get("schema") or {}).get("openAPIV3Schema"):
                    yield causes.required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")
            return
        wrong = structural_causes(schema, f"{path}.openAPIV3Schema")
        yield from wrong
        if not wrong and has_rules(schema):
            yield from rule_causes(schema, f"{path}.openAPIV3Schema")


def _subresources(versions: Sequence[Json]) -> Iterator[Cause]:
    for value, path in _each(versions, "subresources", "subresources"):
        scale = (value or {}).get("scale")
        if scale is None:
            continue
        for field, root in (
            ("specReplicasPath", (".spec.",)),
            ("statusReplicasPath", (".status.",)),
            ("labelSelectorPath", (".spec.", ".status.")),
        ):
            yield from _scale_path(scale.get(field), f"{path}.scale.{field}", root, needed=field != "labelSelectorPath")


def _scale_path(said: str | None, path: str, roots: tuple[str, ...], *, needed: bool) -> Iterator[Cause]:
    if not said:
        if needed:
            yield causes.required(path)
        return
    if "[" in said or not said.startswith("."):
        yield causes.invalid(path, said, "should be a simple json path without array notation")
    elif not said.startswith(roots):
        wanted = " or ".join(root.rstrip(".") for root in roots)
        yield causes.invalid(path, said, f"should be a json path under {wanted}")


def _columns(versions: Sequence[Json]) -> Iterator[Cause]:
    for value, path in _each(versions, "additionalPrinterColumns", "additionalPrinterColumns"):
        for index, column in enumerate(value or ()):
            yield from _column(column, f"{path}[{index}]")


def _column(column: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if not column.get("name"):
        yield causes.required(f"{path}.name")
    if not column.get("type"):
        yield causes.required(f"{path}.type", f"must be one of {','.join(COLUMN_TYPES)}")
    elif column["type"] not in COLUMN_TYPES:
        yield causes.invalid(f"{path}.type", column["type"], f"must be one of {','.join(COLUMN_TYPES)}")
    if column.get("format") and column["format"] not in COLUMN_FORMATS:
        yield causes.invalid(f"{path}.format", column["format"], f"must be one of {','.join(COLUMN_FORMATS)}")
    yield from _json_path(column.get("jsonPath"), f"{path}.JSONPath")


def _json_path(said: str | None, path: str) -> Iterator[Cause]:
    if not said:
        yield causes.required(path)
        return
    text = _wrong_path(said)
    if text:
        yield causes.invalid(path, said, text)


def _wrong_path(said: str) -> str:
    parse: Callable[[str], object] = compile_path
    if not said.startswith((".", "[")):
        return f"is an invalid path: unrecognized character in action: U+{ord(said[0]):04X} {said[0]!r}"
    try:
        parse(said)
    except BadPath as error:
        return f"is an invalid path: {error}"
    return ""


def _selectable(versions: Sequence[Json]) -> list[Cause]:
    out: list[Cause] = []
    for value, path in _each(versions, "selectableFields", "selectableFields"):
        if len(value or ()) > MOST_SELECTABLE:
            out.append(causes.too_many(path, len(value), MOST_SELECTABLE))
        schemas = [(each.get("schema") or {}).get("openAPIV3Schema") or {} for each in versions]
        index = path.partition("spec.versions[")[2].partition("]")[0]
        schemas = [schemas[int(index)]] if index else schemas
        seen: set[str] = set()
        for place, field in enumerate(value or ()):
            said = field.get("jsonPath") or ""
            here = f"{path}[{place}].jsonPath"
            wrong = list(_json_path(said, here)) or _selected(said, here, schemas)
            out += wrong
            if said in seen:
                out.append(causes.duplicate(here, said))
            seen.add(said)
    return out


def _selected(said: str, path: str, schemas: Sequence[Json]) -> list[Cause]:
    """Whether the path leads to a value that a selector can be compared with."""
    if said.startswith(".metadata"):
        return [causes.invalid(path, said, "must not point to fields in metadata")]
    try:
        keys = keys_of(said)
    except BadPath:
        keys = (0,)
    for schema in schemas:
        found: Any = schema
        for key in keys:
            found = (found.get("properties") or {}).get(key) if isinstance(found, Mapping) else None
        if found is None:
            return [causes.invalid(path, said, "is an invalid path: does not refer to a valid field")]
        if found.get("type") not in ("string", "boolean", "integer"):
            text = (
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats "
            )
            return [causes.invalid(path, said, f"{text}are allowed.")]
    return []
