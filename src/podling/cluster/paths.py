"""Where everything of a cluster lies on this machine.

Root's clusters live in /var/lib/podling, an ordinary user's in his data folder (XDG Base Directory). Images are
shared by all clusters of one root folder; everything else belongs to one cluster and goes with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

USUAL_ROOT = Path("/var/lib/podling")


def state_root() -> Path:
    """`$PODLING_STATE`, else /var/lib/podling for root, else the user's data folder."""
    if chosen := os.environ.get("PODLING_STATE"):
        return Path(chosen)
    if os.geteuid() == 0:
        return USUAL_ROOT
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "podling"


@dataclass(frozen=True, slots=True)
class NodePaths:
    """The folder of one node, and the sockets in it."""

    directory: Path

    @property
    def keeper_socket(self) -> Path:
        return self.directory / "keeper.sock"

    @property
    def node_socket(self) -> Path:
        return self.directory / "node.sock"

    @property
    def certificate(self) -> Path:
        return self.directory / "kubelet.crt"

    @property
    def key(self) -> Path:
        return self.directory / "kubelet.key"

    @property
    def network_certificate(self) -> Path:
        return self.directory / "network.crt"

    @property
    def network_key(self) -> Path:
        return self.directory / "network.key"

    @property
    def log(self) -> Path:
        return self.directory / "node.log"

    @property
    def pid(self) -> Path:
        return self.directory / "node.pid"

    @property
    def warden_pid(self) -> Path:
        """Of the process that starts the node process again, for as long as it shall."""
        return self.directory / "warden.pid"


@dataclass(frozen=True, slots=True)
class ClusterPaths:
    """The folder of one cluster: `<root>/clusters/<name>`."""

    root: Path
    name: str

    @property
    def group(self) -> str:
        """What the cluster's control groups are called: by names alone, so that cleaning up needs no file, and not as
        those of a cluster of the same name in another state folder."""
        if self.root == USUAL_ROOT:
            return self.name
        return f"{self.name}.{crc32(os.fsencode(os.path.realpath(self.root))):08x}"

    @property
    def directory(self) -> Path:
        return self.root / "clusters" / self.name

    @property
    def spec(self) -> Path:
        return self.directory / "cluster.json"

    @property
    def server(self) -> Path:
        """What the server may read and write, and nobody else: store, keys, its socket."""
        return self.directory / "server"

    @property
    def pki(self) -> Path:
        return self.server / "pki"

    @property
    def store(self) -> Path:
        return self.server / "store.sqlite"

    @property
    def api_socket(self) -> Path:
        return self.server / "api.sock"

    @property
    def server_log(self) -> Path:
        return self.directory / "server.log"

    @property
    def server_pid(self) -> Path:
        return self.directory / "server.pid"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, with nothing else in it."""
        return self.directory / "admin.kubeconfig"

    @property
    def images(self) -> Path:
        return self.root / "images"

    def node(self, name: str) -> NodePaths:
        return NodePaths(self.directory / "nodes" / name)

    def node_names(self) -> tuple[str, ...]:
        """The nodes that have a folder here."""
        folder = self.directory / "nodes"
        return tuple(sorted(path.name for path in folder.iterdir())) if folder.is_dir() else ()
