"""What a volume type is: the shape every file of this folder fills, and what it is given.

A file declares a constant `VOLUME`; `registry.py` finds it. A type either makes a folder of its own (emptyDir,
hostPath) or a payload of files that is written atomically and again whenever something it refers to changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.volume import PodCertificateProjection, Volume
from podling.kubelet.downward import NodeFacts
from podling.kubelet.environment import Sources
from podling.kubelet.volumes.atomic import File


class MountFailure(Exception):
    """A volume cannot be mounted; the text is what follows `MountVolume.SetUp failed for volume "x" : `."""


class Token(msgspec.Struct, frozen=True):
    """A bound service account token; times in wall-clock seconds."""

    text: str
    issued_at: float
    expires_at: float

    @property
    def refresh_at(self) -> float:
        """Upstream renews at 80 % of the life time, or after a day."""
        return self.issued_at + min(0.8 * (self.expires_at - self.issued_at), 86_400.0)


class Credentials(msgspec.Struct, frozen=True):
    """A key and the certificates issued for it (PEM); times in wall-clock seconds."""

    key: bytes
    chain: bytes
    refresh_at: float
    """When to look again."""
    due_at: float
    """When the signer wants it to be renewed."""
    ends_at: float

    def later(self, refresh_at: float) -> Credentials:
        return msgspec.structs.replace(self, refresh_at=refresh_at)


TokenSource = Callable[[str, int], Awaitable[Token]]
"""(audience, seconds) → a token of the Pod's service account; may answer from memory while it is fresh."""


CertificateSource = Callable[[str, int, PodCertificateProjection], Awaitable[Credentials]]
"""(volume, which source of it, what it says) → what was issued. Raises MountFailure as long as nothing was."""


async def no_certificates(volume: str, index: int, wanted: PodCertificateProjection) -> Credentials:
    raise MountFailure("no certificates are issued here")


class MountContext(msgspec.Struct, frozen=True):
    """What a volume may need to be mounted."""

    pod: Pod
    folder: Path
    """Where this volume lives."""
    pod_ip: str
    sources: Sources
    node: NodeFacts
    token: TokenSource
    certificate: CertificateSource = no_certificates
    memory: int | None = None
    """Bytes a volume in memory may have at most; None: this process can mount none, its folder is on disk."""

    @property
    def group(self) -> int | None:
        """fsGroup of the Pod."""
        security = self.pod.spec.security_context
        return security.fs_group if security is not None else None


class Mounted(msgspec.Struct, frozen=True):
    """A volume that is there: its path, what to write into it, when to come back even if nothing changes."""

    path: Path
    payload: dict[str, File] | None = None
    refresh_at: float | None = None
    in_memory: bool = False
    """Whether the payload is kept off the disk, as upstream does it with all but ConfigMaps."""


def follows(volume: Volume) -> bool:
    """Whether it shows what the API has: written anew when that changes, and by nobody else."""
    showing = (volume.config_map, volume.secret, volume.downward_api, volume.projected)
    return any(source is not None for source in showing)


class References(msgspec.Struct, frozen=True):
    """Names of ConfigMaps and Secrets a volume reads."""

    config_maps: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    trust_bundles: bool = False
    """Whether it reads any ClusterTrustBundles."""

    def __add__(self, other: References) -> References:
        return References(
            self.config_maps + other.config_maps,
            self.secrets + other.secrets,
            self.trust_bundles or other.trust_bundles,
        )


def total(parts: Iterable[References]) -> References:
    out = References()
    for part in parts:
        out += part
    return out


class VolumeType(Protocol):
    """One kind of volume."""

    @property
    def source(self) -> str:
        """The field of the Volume view that chooses this type, e.g. `config_map`."""

    def references(self, volume: Volume) -> References: ...

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        """Raises MountFailure or OSError. Called again for every change; must be idempotent."""
