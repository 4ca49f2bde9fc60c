"""What is mounted into a container: its volumes, and the files of /etc that belong to the Pod."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path

from podling.api.kinds.core.container import VolumeMount
from podling.api.kinds.core.pod import Pod
from podling.kubelet.environment import ConfigError
from podling.kubelet.expansion import expand, unknown
from podling.kubelet.podstate import AnyContainer
from podling.kubelet.volumes.parts import NotMade, Parts
from podling.kubelet.volumes.types import follows
from podling.runtime.interface import Mount

NAMED = Parts()
log = logging.getLogger(__name__)


def mounts_of(
    container: AnyContainer,
    volumes: Mapping[str, Path],
    variables: Mapping[str, str],
    files: Path,
    termination: Path,
    protected: Collection[str] = (),
    images: Collection[str] = (),
    parts: Parts = NAMED,
) -> tuple[Mount, ...]:
    """`volumes` by name, `files` holds those of /etc, `termination` is the file for the last message.

    Volumes named in `protected` are read-only whatever the mount says, and those in `images` hold no programs either.
    Raises ConfigError for a subPath that leaves its volume. A container's own mount wins over the Pod's file.
    """
    out: list[Mount] = []
    for number, wanted in enumerate(container.volume_mounts):
        source = volumes.get(wanted.name)
        if source is None:
            raise ConfigError(f'volume "{wanted.name}" is not mounted')
        inside = _sub_path(wanted, variables)
        if inside:
            source = _part(source, inside, wanted, container.name, number, parts)
        read_only = wanted.read_only or wanted.name in protected or wanted.name in images
        out.append(Mount(str(source), wanted.mount_path, read_only, wanted.name in images))
    taken = {mount.target.rstrip("/") for mount in out}
    for name in ("hosts", "hostname", "resolv.conf"):
        target = f"/etc/{name}"
        if target not in taken and "/etc" not in taken:
            out.append(Mount(str(files / name), target))
    if container.termination_message_path:
        out.append(Mount(str(termination), container.termination_message_path))
    return tuple(out)


def protected(pod: Pod) -> frozenset[str]:
    """Volumes to which no container writes: those that show what the API has, and claims used read-only."""
    claimed = {
        each.name
        for each in pod.spec.volumes
        if each.persistent_volume_claim is not None and each.persistent_volume_claim.read_only
    }
    return frozenset(each.name for each in pod.spec.volumes if follows(each)) | claimed


def _sub_path(wanted: VolumeMount, variables: Mapping[str, str]) -> str:
    if not wanted.sub_path_expr:
        return wanted.sub_path
    missing = unknown(wanted.sub_path_expr, variables)
    if missing:
        raise ConfigError(f"missing value for {missing[0]}")
    return expand(wanted.sub_path_expr, variables)


def _part(volume: Path, sub_path: str, wanted: VolumeMount, container: str, number: int, parts: Parts) -> Path:
    """What failed is told without its reason, as upstream does it: that would tell of the node's files."""
    if sub_path.startswith("/"):
        raise ConfigError(f"error SubPath `{sub_path}` must not be an absolute path")
    if ".." in Path(sub_path).parts:
        raise ConfigError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
    where = f'for volumeMount "{wanted.name}" of container "{container}"'
    try:
        return parts.part(volume, sub_path, container, number)
    except NotMade as error:
        log.info("subPath %s %s: %s", sub_path, where, error)
        raise ConfigError(f"failed to create subPath directory {where}") from error
    except OSError as error:
        log.info("subPath %s %s: %s", sub_path, where, error)
        raise ConfigError(f"failed to prepare subPath {where}") from error
