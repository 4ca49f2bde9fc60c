"""What a cluster was asked to be, and the numbers it was given.

The number C (DESIGN 13) makes the addresses: the API at 127.77.C.1:6443, those of the nodes in `nodespec.py`. Numbers
are given under a lock; the lowest free one is taken.
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

from .nodespec import MOST_NODES, NodeSpec, next_numbers
from .paths import ClusterPaths

API_PORT = 6443
SERVICE_NETWORK = "10.96.0.0/12"
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
_NODE_PARTS = ("node", *(f"node-{count}" for count in range(2, MOST_NODES + 1)))
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
    numbers: tuple[int, ...] = (1,)
    """Of its own nodes; the first is always there."""
    last_number: int = 1
    """The highest that was ever given."""

    @property
    def api_address(self) -> str:
        return f"127.77.{self.number}.1"

    @property
    def api_url(self) -> str:
        return f"https://{self.api_address}:{API_PORT}"

    @property
    def nodes(self) -> tuple[NodeSpec, ...]:
        return tuple(NodeSpec(self.name, self.number, number) for number in self.numbers)

    @property
    def first(self) -> NodeSpec:
        """The node that is called as its cluster and goes with it."""
        return NodeSpec(self.name, self.number, 1)

    def node(self, name: str) -> NodeSpec | None:
        return next((node for node in self.nodes if node.name == name), None)

    @property
    def simulated(self) -> bool:
        return self.runtime == "fake"

    def with_fake_nodes(self, count: int) -> ClusterSpec:
        """With `count` plain simulated nodes; beside a real one they are tainted, lest real work vanish into them."""
        refuse_pool(self, FAKE_POOL)
        known = self.pools.get(FAKE_POOL) or Pool(count=0, tainted=not self.simulated)
        pools = self.pools | {FAKE_POOL: msgspec.structs.replace(known, count=count)}
        return msgspec.structs.replace(self, pools=pools)

    def with_nodes(self, count: int) -> ClusterSpec:
        """With so many nodes of its own, those it has among them. Raises SpecError."""
        have = len(self.numbers)
        if count < have:
            names = ", ".join(node.name for node in self.nodes[1:])
            raise SpecError(
                f'cluster "{self.name}" has {have} nodes: podling node delete NAME takes one away (of {names})'
            )
        if count > MOST_NODES:
            raise SpecError(f"a cluster has {MOST_NODES} nodes at most; simulated ones come by the thousand (--fake)")
        if count > have and self.simulated:
            raise SpecError("a simulated cluster has one node of its own: --fake-nodes N makes more")
        if count > have and self.name in self.pools:
            raise SpecError(f'nodes of the pool "{self.name}" have the names that new nodes would get')
        new = next_numbers(self.numbers, self.last_number, count - have)
        numbers = tuple(sorted((*self.numbers, *new)))
        return msgspec.structs.replace(self, numbers=numbers, last_number=max(self.last_number, *numbers))

    def without_node(self, name: str) -> ClusterSpec:
        """`name` is of a node beside the first."""
        numbers = tuple(node.number for node in self.nodes if node.name != name)
        return msgspec.structs.replace(self, numbers=numbers)


def refuse_pool(spec: ClusterSpec, pool: str) -> None:
    """A pool must not give its nodes the names of the cluster's own. Raises SpecError."""
    if pool == spec.name and len(spec.numbers) > 1:
        raise SpecError(f'"{pool}" is no name for a pool here: the nodes of cluster "{spec.name}" are called so')


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


def hold_as_node(number: int) -> socket.socket | None:
    """The same for a node, as long as it lives: one claim for each node of the cluster."""
    claims = (hold(number, part) for part in _NODE_PARTS)
    return next((claim for claim in claims if claim), None)


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
    for part in _NODE_PARTS:
        if (node := hold(number, part)) is None:
            return False
        node.close()
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((f"127.77.{number}.1", API_PORT))
        except OSError:
            return False
    return True
