"""What may be wrong with the volumes of a Pod and with their mounts in containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.core import certificatesources, envrules, persistentvolumeclaim, resourcerules
from podling.api.kinds.core.volumesources import REMOTE, descending, file_path, host_path, needs, nfs

Json = dict[str, Any]

_MODE_TEXT: Final = "must be a number between 0 and 0777 (octal), both inclusive"
_PROPAGATIONS: Final = ("Bidirectional", "HostToContainer", "None")


def volumes(path: str, given: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, volume in enumerate(given):
        here, name = f"{path}[{index}]", volume.get("name", "")
        found += _source(here, volume)
        wrong = rules.named(f"{here}.name", name, names.dns_label)
        found += wrong
        if not wrong and name in seen:
            found.append(causes.duplicate(f"{here}.name", name))
        seen.add(name)
    return found


def _source(path: str, volume: Json) -> list[Cause]:
    given = [name for name, source in volume.items() if name != "name" and source is not None]
    if not given:
        return [causes.required(path, "must specify a volume type")]
    check = _SOURCES.get(given[0])
    found = check(f"{path}.{given[0]}", volume[given[0]]) if check else []
    return found + [causes.forbidden(f"{path}.{name}", "may not specify more than 1 volume type") for name in given[1:]]


def _empty_dir(path: str, source: Json) -> list[Cause]:
    limit = source.get("sizeLimit")
    if limit is None or not resourcerules.amount(path, limit):
        return []
    return [causes.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]


def _secret(path: str, source: Json) -> list[Cause]:
    found = [] if source.get("secretName") else [causes.required(f"{path}.secretName")]
    return found + _mode(f"{path}.defaultMode", source.get("defaultMode")) + _items(path, source)


def _config_map(path: str, source: Json) -> list[Cause]:
    found = [] if source.get("name") else [causes.required(f"{path}.name")]
    return found + _mode(f"{path}.defaultMode", source.get("defaultMode")) + _items(path, source)


def _items(path: str, source: Json) -> list[Cause]:
    found: list[Cause] = []
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{index}]"
        found += [] if item.get("key") else [causes.required(f"{here}.key")]
        found += file_path(f"{here}.path", item.get("path", ""))
        found += _mode(f"{here}.mode", item.get("mode"))
    return found


def _downward(path: str, source: Json) -> list[Cause]:
    found = _mode(f"{path}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(source.get("items") or ()):
        found += _downward_file(f"{path}.items[{index}]", item)
    return found


def _downward_file(path: str, item: Json) -> list[Cause]:
    found = file_path(f"{path}.path", item.get("path", ""))
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        found += envrules.field_ref(f"{path}.fieldRef", field, envrules.VOLUME_FIELDS)
        if resource is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            found.append(causes.invalid(path, "resource", text))
    elif resource is not None:
        found += envrules.resource_field_ref(f"{path}.resourceFieldRef", resource, in_volume=True)
    else:
        found.append(causes.required(path, "one of fieldRef and resourceFieldRef is required"))
    return found + _mode(f"{path}.mode", item.get("mode"))


def _projected(path: str, source: Json) -> list[Cause]:
    found = _mode(f"{path}.defaultMode", source.get("defaultMode"))
    for index, projection in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        given = [name for name, value in projection.items() if value is not None]
        if not given:
            found.append(causes.required(here, "must specify a volume projection"))
            continue
        check = _PROJECTIONS.get(given[0])
        found += check(f"{here}.{given[0]}", projection[given[0]]) if check else []
        for name in given[1:]:
            found.append(causes.forbidden(f"{here}.{name}", "may not specify more than 1 volume type per source"))
    return found + certificatesources.conflicts(path, source.get("sources") or [])


def _named(path: str, source: Json) -> list[Cause]:
    found = [] if source.get("name") else [causes.required(f"{path}.name")]
    return found + _items(path, source)


def _token(path: str, source: Json) -> list[Cause]:
    seconds, found = source.get("expirationSeconds", 3600), []
    if seconds < 600:
        text = "may not specify a duration less than 10 minutes"
        found.append(causes.invalid(f"{path}.expirationSeconds", seconds, text))
    if seconds > 1 << 32:
        text = "may not specify a duration larger than 2^32 seconds"
        found.append(causes.invalid(f"{path}.expirationSeconds", seconds, text))
    return found + file_path(f"{path}.path", source.get("path", ""))


def _ephemeral(path: str, source: Json) -> list[Cause]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [causes.required(f"{path}.volumeClaimTemplate")]
    return persistentvolumeclaim.validate_spec(f"{path}.volumeClaimTemplate.spec", template.get("spec") or {})


def _image(path: str, source: Json) -> list[Cause]:
    found = [] if source.get("reference") else [causes.required(f"{path}.reference")]
    policy = source.get("pullPolicy")
    return found + (rules.one_of(f"{path}.pullPolicy", policy, ("Always", "IfNotPresent", "Never")) if policy else [])


_SOURCES: Final[dict[str, Callable[[str, Json], list[Cause]]]] = {
    **REMOTE,
    "emptyDir": _empty_dir,
    "hostPath": host_path,
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "projected": _projected,
    "nfs": nfs,
    "persistentVolumeClaim": needs("claimName"),
    "ephemeral": _ephemeral,
    "csi": needs("driver"),
    "image": _image,
}
_PROJECTIONS: Final[dict[str, Callable[[str, Json], list[Cause]]]] = {
    "secret": _named,
    "configMap": _named,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
    "clusterTrustBundle": certificatesources.trust_bundle,
    "podCertificate": certificatesources.pod_certificate,
}


def _mode(path: str, mode: int | None) -> list[Cause]:
    return [] if mode is None or 0 <= mode <= 0o777 else [causes.invalid(path, mode, _MODE_TEXT)]


def mounts(path: str, container: Json, known: set[str]) -> list[Cause]:
    """volumeMounts and volumeDevices of a container (`path`); `known` are the names of the Pod's volumes."""
    found: list[Cause] = []
    devices = container.get("volumeDevices") or []
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        here = f"{path}.volumeMounts[{index}]"
        found += _mount(here, mount, known, container)
        where = mount.get("mountPath", "")
        if where in seen:
            found.append(causes.invalid(f"{here}.mountPath", where, "must be unique"))
        seen.add(where)
        if mount.get("name") in {device.get("name") for device in devices}:
            text = "must not already exist in volumeDevices"
            found.append(causes.invalid(f"{here}.name", mount["name"], text))
    for index, device in enumerate(devices):
        here = f"{path}.volumeDevices[{index}]"
        found += _reference(f"{here}.name", device.get("name", ""), known)
        found += [] if device.get("devicePath") else [causes.required(f"{here}.devicePath")]
    return found


def _reference(path: str, name: str, known: set[str]) -> list[Cause]:
    if not name:
        return [causes.required(path), causes.not_found(path, name)]
    return [] if name in known else [causes.not_found(path, name)]


def _mount(path: str, mount: Json, known: set[str], container: Json) -> list[Cause]:
    found = _reference(f"{path}.name", mount.get("name", ""), known)
    found += [] if mount.get("mountPath") else [causes.required(f"{path}.mountPath")]
    sub_path, expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
    found += descending(f"{path}.subPath", sub_path)
    if expression:
        if sub_path:
            text = "subPathExpr and subPath are mutually exclusive"
            found.append(causes.invalid(f"{path}.subPathExpr", expression, text))
        found += descending(f"{path}.subPathExpr", expression)
    propagation = mount.get("mountPropagation")
    if propagation is not None:
        found += rules.one_of(f"{path}.mountPropagation", propagation, _PROPAGATIONS)
        if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            text = "Bidirectional mount propagation is available only to privileged containers"
            found.append(causes.forbidden(f"{path}.mountPropagation", text))
    return found
