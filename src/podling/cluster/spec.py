"""What a cluster was asked to be, and the numbers it was given.

The number C (DESIGN 13) makes the addresses: the API at 127.77.C.1:6443, node N at 127.77.C.N+1 on the host and
172.31.C.N+1 inside its namespace. Numbers are given under a lock; the lowest free one is taken.
"""

from __future__ import annotations

import fcntl
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from podling.simulatednodes.pool import Pool

from .paths import ClusterPaths

API_PORT = 6443
SERVICE_NETWORK = "10.96.0.0/12"
POD_NETWORK = "10.244.0.0/24"
KUBERNETES_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"

ProxyMode = Literal["nftables", "userspace"]
RuntimeName = Literal["crun", "runc", "fake"]
StoreName = Literal["sqlite", "memory"]
ProfileName = Literal["book", "current"]
AuthorizationName = Literal["RBAC", "AlwaysAllow"]
FAKE_POOL = "fake"
"""The pool of `podling start --fake-nodes`."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


class SpecError(Exception):
    """A wish that cannot be fulfilled, in words for the user."""


class ClusterSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster. `owner` is the uid the server runs as, once it listens."""

    name: str
    number: int
    proxy_mode: ProxyMode = "nftables"
    runtime: RuntimeName = "crun"
    store: StoreName = "sqlite"
    profile: ProfileName = "book"
    authorization: AuthorizationName = "RBAC"
    owner: int = 0
    pools: dict[str, Pool] = {}
    """Simulated nodes, by the name of their pool."""

    @property
    def api_address(self) -> str:
        return f"127.77.{self.number}.1"

    @property
    def api_url(self) -> str:
        return f"https://{self.api_address}:{API_PORT}"

    @property
    def node_name(self) -> str:
        """One node so far; it is called as its cluster."""
        return self.name

    @property
    def host_address(self) -> str:
        """The node's ExternalIP, where NodePorts answer on the host."""
        return f"127.77.{self.number}.2"

    @property
    def internal_address(self) -> str:
        """The node's InternalIP, inside its network namespace."""
        return f"172.31.{self.number}.2"

    @property
    def simulated(self) -> bool:
        return self.runtime == "fake"

    def with_fake_nodes(self, count: int) -> ClusterSpec:
        """With `count` plain simulated nodes; beside a real one they are tainted, lest real work vanish into them."""
        known = self.pools.get(FAKE_POOL) or Pool(count=0, tainted=not self.simulated)
        pools = self.pools | {FAKE_POOL: msgspec.structs.replace(known, count=count)}
        return msgspec.structs.replace(self, pools=pools)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Only one command at a time changes what clusters there are."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def names(root: Path) -> tuple[str, ...]:
    """The clusters there are, running or not."""
    folder = root / "clusters"
    return tuple(sorted(path.parent.name for path in folder.glob("*/cluster.json"))) if folder.is_dir() else ()


def load(paths: ClusterPaths) -> ClusterSpec | None:
    """None where there is no such cluster. Raises SpecError where its file is damaged."""
    try:
        return msgspec.json.decode(paths.spec.read_bytes(), type=ClusterSpec)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise SpecError(f"{paths.spec} is damaged ({error}); podling delete --name {paths.name} removes it") from error


def save(paths: ClusterPaths, spec: ClusterSpec) -> None:
    """Atomic: a crash leaves the old file or the new one."""
    paths.directory.mkdir(parents=True, exist_ok=True)
    new = paths.spec.with_suffix(".new")
    new.write_bytes(msgspec.json.format(msgspec.json.encode(spec)) + b"\n")
    new.replace(paths.spec)


def check_name(name: str) -> str:
    """A cluster's name is also its node's and its context's. Raises SpecError."""
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} is no name for a cluster: lower case letters, digits and '-', "
            "beginning and ending with a letter or digit, 40 at most"
        )
    return name


def hold(number: int, part: str) -> socket.socket | None:
    """Keep others from taking the number while the socket is open; None where somebody on this machine does so.

    The lock of a root folder says nothing to other users' folders, so this is an abstract socket: one name for all of
    the machine, and gone with its process whatever happens.
    """
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0podling/number/{number}/{part}")
    except OSError:
        claim.close()
        return None
    return claim


@contextmanager
def claimed_number(root: Path, name: str, wanted: int | None) -> Iterator[int]:
    """A number for the cluster, `wanted` if nobody has it, else the lowest that is free; held until its server listens.

    Call it under `locked`. Raises SpecError.
    """
    others = (load(ClusterPaths(root, other)) for other in names(root) if other != name)
    taken = {spec.number for spec in others if spec}
    for number in (*(() if wanted is None else (wanted,)), *range(256)):
        if number in taken or (claim := hold(number, "start")) is None:
            continue
        with claim:
            if _unused(number):
                yield number
                return
    raise SpecError("all 256 numbers for clusters are taken; podling delete --name NAME makes room")


def _unused(number: int) -> bool:
    """No node holds it and nobody listens where its API would be: another user's cluster may have this number."""
    if (node := hold(number, "node")) is None:
        return False
    node.close()
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((f"127.77.{number}.1", API_PORT))
        except OSError:
            return False
    return True
