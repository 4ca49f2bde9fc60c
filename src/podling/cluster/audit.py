"""The audit log of a cluster: what was asked for at a start is kept for every start from then on."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from podling.apiserver.audit.rotation import Limits

from .paths import ClusterPaths

FILE, LOG = "audit.json", "audit.log"


class AuditWish(msgspec.Struct, frozen=True):
    """The policy's text, and the file the log goes to; without one it lies in the cluster's folder.

    The limits are those of `apiserver/audit/rotation.py`: MiB, files, days; None is kube-apiserver's default.
    """

    policy: str
    log: str = ""
    maxsize: int | None = None
    maxbackup: int | None = None
    maxage: int | None = None


def keep(paths: ClusterPaths, wish: AuditWish) -> None:
    paths.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    (paths.pki / FILE).write_bytes(msgspec.json.encode(wish))


def kept(paths: ClusterPaths) -> AuditWish | None:
    try:
        return msgspec.json.decode((paths.pki / FILE).read_bytes(), type=AuditWish)
    except FileNotFoundError:
        return None


def log_of(paths: ClusterPaths, wish: AuditWish) -> Path:
    return Path(wish.log) if wish.log else paths.server / LOG


def limits_of(wish: AuditWish) -> Limits:
    given = {"size": wish.maxsize, "backups": wish.maxbackup, "age": wish.maxage}
    return Limits()._replace(**{name: value for name, value in given.items() if value is not None})


def hand_over(paths: ClusterPaths, uid: int) -> None:
    """Make the log a file of the user the server becomes, while it may. Raises OSError."""
    wish = kept(paths)
    if wish is None:
        return
    path = log_of(paths, wish)
    with path.open("ab"):
        path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, uid, -1)
