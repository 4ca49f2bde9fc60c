"""What may be wrong with the places where volumes lie, whether a Pod names them or a PersistentVolume does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from podling.api.errors import Cause
from podling.api.kinds import causes, rules

Json = dict[str, Any]
Check = Callable[[str, Json], list[Cause]]

HOST_PATH_TYPES: Final = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


def volume(path: str, kind: str, source: Json) -> list[Cause]:
    """The source of a PersistentVolume; `kind` is the field that holds it."""
    check = _PERSISTENT.get(kind)
    return check(path, source) if check is not None else []


def no_backsteps(path: str, value: str) -> list[Cause]:
    return [causes.invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def descending(path: str, value: str) -> list[Cause]:
    """A path that stays inside its root."""
    found = [causes.invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return found + no_backsteps(path, value)


def file_path(path: str, value: str) -> list[Cause]:
    """A file inside a volume; names beginning with two dots are the writer's own."""
    if not value:
        return [causes.required(path)]
    found = descending(path, value)
    if value.startswith("..") and not value.startswith("../"):
        found.append(causes.invalid(path, value, "must not start with '..'"))
    return found


def host_path(path: str, source: Json) -> list[Cause]:
    where = source.get("path", "")
    if not where:
        return [causes.required(f"{path}.path")]
    found = no_backsteps(f"{path}.path", where)
    return found + rules.one_of(f"{path}.type", source.get("type") or "", HOST_PATH_TYPES)


def nfs(path: str, source: Json) -> list[Cause]:
    found = [causes.required(f"{path}.{name}") for name in ("server", "path") if not source.get(name)]
    if source.get("path") and not source["path"].startswith("/"):
        found.append(causes.invalid(f"{path}.path", source["path"], "must be an absolute path"))
    return found


def needs(*fields: str) -> Check:
    """Fields that must be there and not empty."""
    return lambda path, source: [causes.required(f"{path}.{name}") for name in fields if not source.get(name)]


def _local(path: str, source: Json) -> list[Cause]:
    where = source.get("path", "")
    return no_backsteps(f"{path}.path", where) if where else [causes.required(f"{path}.path")]


# Of those that need a program Podling has not, what an API server asks of them.
REMOTE: Final[Mapping[str, Check]] = {
    "awsElasticBlockStore": needs("volumeID"),
    "azureDisk": needs("diskName", "diskURI"),
    "azureFile": needs("secretName", "shareName"),
    "cephfs": needs("monitors"),
    "cinder": needs("volumeID"),
    "flexVolume": needs("driver"),
    "flocker": needs("datasetName"),
    "gcePersistentDisk": needs("pdName"),
    "gitRepo": needs("repository"),
    "glusterfs": needs("endpoints", "path"),
    "iscsi": needs("targetPortal", "iqn"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "quobyte": needs("registry", "volume"),
    "rbd": needs("monitors", "image"),
    "scaleIO": needs("gateway", "system", "volumeName"),
    "vsphereVolume": needs("volumePath"),
}
_PERSISTENT: Final[Mapping[str, Check]] = {
    **REMOTE,
    "csi": needs("driver", "volumeHandle"),
    "hostPath": host_path,
    "local": _local,
    "nfs": nfs,
}
