"""Where the server finds its nodes' sockets: by looking, so that a node which came later is found too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .paths import ClusterPaths


class NodeSockets(Mapping[str, str]):
    """Node name → path of its socket, for every node that has a folder in the cluster's."""

    def __init__(self, paths: ClusterPaths) -> None:
        self._paths = paths

    def __getitem__(self, name: str) -> str:
        if name in ("", ".", "..") or "/" in name:
            raise KeyError(name)
        node = self._paths.node(name)
        if not node.directory.is_dir():
            raise KeyError(name)
        return str(node.node_socket)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths.node_names())

    def __len__(self) -> int:
        return len(self._paths.node_names())
