"""What is mounted into a container: its volumes, and the files of /etc that belong to the Pod."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from podling.api.kinds.core.container import VolumeMount
from podling.api.kinds.core.pod import Pod
from podling.kubelet.environment import ConfigError
from podling.kubelet.expansion import expand, unknown
from podling.kubelet.podstate import AnyContainer
from podling.kubelet.volumes.types import follows
from podling.runtime.interface import Mount


def mounts_of(
    container: AnyContainer,
    volumes: Mapping[str, Path],
    variables: Mapping[str, str],
    files: Path,
    termination: Path,
    protected: Collection[str] = (),
    images: Collection[str] = (),
) -> tuple[Mount, ...]:
    """`volumes` by name, `files` holds those of /etc, `termination` is the file for the last message.

    Volumes named in `protected` are read-only whatever the mount says, and those in `images` hold no programs either.
    Raises ConfigError for a subPath that leaves its volume. A container's own mount wins over the Pod's file.
    """
    out = [_mount(wanted, volumes, variables, protected, images) for wanted in container.volume_mounts]
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


def _mount(
    wanted: VolumeMount,
    volumes: Mapping[str, Path],
    variables: Mapping[str, str],
    protected: Collection[str],
    images: Collection[str],
) -> Mount:
    root = volumes.get(wanted.name)
    if root is None:
        raise ConfigError(f'volume "{wanted.name}" is not mounted')
    inside = wanted.sub_path
    if wanted.sub_path_expr:
        missing = unknown(wanted.sub_path_expr, variables)
        if missing:
            raise ConfigError(f"missing value for {missing[0]}")
        inside = expand(wanted.sub_path_expr, variables)
    try:
        source = _inside(root, inside) if inside else root
    except OSError as error:
        raise ConfigError(f'failed to create subPath directory for volumeMount "{wanted.name}": {error}') from error
    read_only = wanted.read_only or wanted.name in protected or wanted.name in images
    return Mount(str(source), wanted.mount_path, read_only, wanted.name in images)


def _inside(root: Path, sub_path: str) -> Path:
    """The real path below a volume, made as a folder where nothing is; links that lead out of it are refused."""
    if sub_path.startswith("/"):
        raise ConfigError(f"error SubPath `{sub_path}` must not be an absolute path")
    if ".." in Path(sub_path).parts:
        raise ConfigError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
    base, path = root.resolve(), (root / sub_path).resolve()
    if not path.is_relative_to(base):
        raise ConfigError(f'subPath "{sub_path}" leads out of the volume')
    if not path.exists():
        path.mkdir(mode=0o750, parents=True)
        path.chmod(base.stat().st_mode & 0o7777)
    return path
