"""Validation of `metadata`, the same for every kind, built-in or custom.

It expects that a name has been generated already. That the namespace of the object is that of the request is the API
server's check: it knows the request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules

ANNOTATIONS_LIMIT: Final = 256 * 1024
_PATH = "metadata"
# Fields only the server writes, in the order upstream reports them.
_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")

Meta = dict[str, Any]


def validate(meta: Meta, namespaced: bool, name_rule: Callable[[str], list[str]]) -> list[Cause]:
    """Everything wrong with the metadata of a new object."""
    found: list[Cause] = []
    if prefix := meta.get("generateName", ""):
        found += rules.all_invalid(f"{_PATH}.generateName", prefix, name_rule(names.generated(prefix)))
    if not (name := meta.get("name", "")):
        found.append(causes.required(f"{_PATH}.name", "name or generateName is required"))
    elif wrong := name_rule(name):
        found += rules.all_invalid(f"{_PATH}.name", name, wrong)
    found += _namespace(meta.get("namespace", ""), namespaced)
    if meta.get("generation", 0) < 0:
        found.append(causes.invalid(f"{_PATH}.generation", meta["generation"], "must be greater than or equal to 0"))
    return found + _content(meta)


def validate_update(new: Meta, old: Meta) -> list[Cause]:
    """Everything wrong with changed metadata."""
    found: list[Cause] = []
    if old.get("deletionTimestamp"):
        found += _no_new_finalizers(new.get("finalizers") or [], old.get("finalizers") or [])
    if new.get("generation", 0) < old.get("generation", 0):
        found.append(causes.invalid(f"{_PATH}.generation", new.get("generation", 0), "must not be decremented"))
    for name in _FIXED:
        found += causes.immutable(f"{_PATH}.{name}", new.get(name), old.get(name))
    return found + _content(new)


def _namespace(namespace: str, namespaced: bool) -> list[Cause]:
    path = f"{_PATH}.namespace"
    if not namespaced:
        return [causes.forbidden(path, "not allowed on this type")] if namespace else []
    if not namespace:
        return [causes.required(path)]
    wrong = names.dns_label(namespace)
    return rules.all_invalid(path, namespace, wrong) if wrong else []


def _content(meta: Meta) -> list[Cause]:
    found: list[Cause] = []
    # This is asked in every write, and most objects have little of it.
    if labels := meta.get("labels"):
        found += rules.labels(f"{_PATH}.labels", labels)
    if annotations := meta.get("annotations"):
        found += check_annotations(f"{_PATH}.annotations", annotations)
    if owners := meta.get("ownerReferences"):
        found += _owners(owners)
    if finalizers := meta.get("finalizers"):
        found += _finalizers(finalizers)
    return found


def check_annotations(path: str, values: dict[str, str]) -> list[Cause]:
    """Keys like label keys, in any case; all together at most 256 KiB."""
    found: list[Cause] = []
    for key in values:
        found += rules.all_invalid(path, key, names.qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in values.items()) > ANNOTATIONS_LIMIT:
        found.append(causes.too_long(path, ANNOTATIONS_LIMIT))
    return found


def _owners(references: list[dict[str, Any]]) -> list[Cause]:
    path = f"{_PATH}.ownerReferences"
    found: list[Cause] = []
    controller = ""
    for reference in references:
        found += _owner(path, reference)
        if reference.get("controller"):
            named = f"{reference.get('kind', '')}/{reference.get('name', '')}"
            if controller:
                detail = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {named}"
                )
                found.append(causes.invalid(path, references, detail))
            controller = controller or named
    return found


def _owner(path: str, reference: dict[str, Any]) -> list[Cause]:
    found: list[Cause] = []
    api_version = reference.get("apiVersion", "")
    if not api_version.rpartition("/")[2]:
        found.append(causes.invalid(f"{path}.apiVersion", api_version, "version must not be empty"))
    for name in ("kind", "name", "uid"):
        if not reference.get(name):
            found.append(causes.invalid(f"{path}.{name}", "", "must not be empty"))
    if api_version == "v1" and reference.get("kind") == "Event":
        found.append(causes.invalid(path, reference, "/v1, Kind=Event is disallowed from being an owner"))
    return found


def _finalizers(finalizers: list[str]) -> list[Cause]:
    path = f"{_PATH}.finalizers"
    found = [cause for name in finalizers for cause in rules.all_invalid(path, name, names.qualified_name(name))]
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        found.append(causes.invalid(path, finalizers, detail))
    return found


def _no_new_finalizers(new: list[str], old: list[str]) -> list[Cause]:
    extra = sorted(set(new) - set(old))
    if not extra:
        return []
    listed = ", ".join(causes.shown(name) for name in extra)
    return [
        causes.forbidden(
            f"{_PATH}.finalizers",
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}",
        )
    ]
