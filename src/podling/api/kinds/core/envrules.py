"""What may be wrong with the environment of a container, and with references to fields of its Pod."""

from __future__ import annotations

from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core import volumesources

Json = dict[str, Any]

ENV_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS: Final = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
# What can be named at all; which of these is allowed depends on the place.
_KNOWN_FIELDS: Final = frozenset(
    (*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host")
)
RESOURCES: Final = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_CPU_DIVISORS: Final = ("0", "1m", "1")
_BYTE_DIVISORS: Final = (
    "0",
    "1",
    *(f"1{s}" for s in ("k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")),
)
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def env(path: str, variables: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    for index, variable in enumerate(variables):
        here = f"{path}[{index}]"
        found += rules.named(f"{here}.name", variable.get("name", ""), names.env_name)
        if variable.get("valueFrom") is not None:
            found += _value_from(f"{here}.valueFrom", variable["valueFrom"], variable.get("value", ""))
    return found


def _value_from(path: str, source: Json, value: str) -> list[Cause]:
    given = [name for name in _SOURCES if source.get(name) is not None]
    found: list[Cause] = []
    for name in given:
        found += _source(f"{path}.{name}", name, source[name])
    if not given:
        listed = ", ".join(f"`{name}`" for name in _SOURCES[:-1])
        found.append(causes.invalid(path, "", f"must specify one of: {listed} or `{_SOURCES[-1]}`"))
    elif value:
        found.append(causes.invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        found.append(causes.invalid(path, "", "may not have more than one field specified at a time"))
    return found


def _source(path: str, name: str, source: Json) -> list[Cause]:
    if name == "fieldRef":
        return field_ref(path, source, ENV_FIELDS)
    if name == "resourceFieldRef":
        return resource_field_ref(path, source, in_volume=False)
    if name == "fileKeyRef":
        return _file_key_ref(path, source)
    found = [] if source.get("name") else [causes.required(f"{path}.name")]
    return found + rules.named(f"{path}.key", source.get("key", ""), names.config_key)


def _file_key_ref(path: str, source: Json) -> list[Cause]:
    found = [causes.required(f"{path}.{key}") for key in ("volumeName", "path", "key") if not source.get(key)]
    found += volumesources.descending(f"{path}.path", source.get("path", ""))
    if key := source.get("key"):
        found += rules.all_invalid(f"{path}.key", key, names.env_name(key))
    return found


def files(path: str, variables: list[Json], volumes: list[Json]) -> list[Cause]:
    """Whether the volumes that `fileKeyRef`s name are there, and such that only the Pod itself writes to them."""
    known = {volume.get("name"): volume for volume in volumes}
    found: list[Cause] = []
    for index, variable in enumerate(variables):
        name = ((variable.get("valueFrom") or {}).get("fileKeyRef") or {}).get("volumeName")
        here = f"{path}[{index}].valueFrom.fileKeyRef.volumeName"
        if name and name not in known:
            found.append(causes.not_found(here, name))
        elif name and known[name].get("emptyDir") is None:
            found.append(causes.invalid(here, name, "referenced volume must be of type emptyDir"))
    return found


def field_ref(path: str, selector: Json, allowed: tuple[str, ...]) -> list[Cause]:
    """An ObjectFieldSelector, with subscripts for labels and annotations."""
    field = selector.get("fieldPath", "")
    if not selector.get("apiVersion"):
        return [causes.required(f"{path}.apiVersion")]
    if not field:
        return [causes.required(f"{path}.fieldPath")]
    name, bracket, subscript = field.partition("['")
    if bracket and subscript.endswith("']"):
        return _subscripted(path, name, subscript.removesuffix("']"))
    if field not in _KNOWN_FIELDS:
        text = f"error converting fieldPath: field label not supported: {field}"
        return [causes.invalid(f"{path}.fieldPath", field, text)]
    return rules.one_of(f"{path}.fieldPath", "spec.nodeName" if field == "spec.host" else field, allowed)


def _subscripted(path: str, name: str, key: str) -> list[Cause]:
    if name == "metadata.annotations":
        return rules.all_invalid(path, key, names.qualified_name(key.lower()))
    if name == "metadata.labels":
        return rules.all_invalid(path, key, names.qualified_name(key))
    return [causes.invalid(path, name, "does not support subscript")]


def resource_field_ref(path: str, selector: Json, *, in_volume: bool) -> list[Cause]:
    resource = selector.get("resource", "")
    if in_volume and not selector.get("containerName"):
        return [causes.required(f"{path}.containerName")]
    if not resource:
        return [causes.required(f"{path}.resource")]
    if resource.partition(".")[2].startswith("hugepages-"):
        return []
    found = rules.one_of(f"{path}.resource", resource, RESOURCES)
    divisor = str(selector.get("divisor") or "0")
    if resource.endswith(".cpu"):
        if divisor not in _CPU_DIVISORS:
            text = "only divisor's values 1m and 1 are supported with the cpu resource"
            found.append(causes.invalid(f"{path}.divisor", divisor, text))
    elif divisor not in _BYTE_DIVISORS:
        listed = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
        kind = resource.partition(".")[2]
        text = f"only divisor's values {listed} are supported with the {kind} resource"
        found.append(causes.invalid(f"{path}.divisor", divisor, text))
    return found


def env_from(path: str, sources: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    for index, source in enumerate(sources):
        here = f"{path}[{index}]"
        if prefix := source.get("prefix"):
            found += rules.all_invalid(f"{here}.prefix", prefix, names.env_name(prefix))
        given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in given:
            found += [] if source[name].get("name") else [causes.required(f"{here}.{name}.name")]
        if not given:
            found.append(causes.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            found.append(causes.invalid(path, "", "may not have more than one field specified at a time"))
    return found
