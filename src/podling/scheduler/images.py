"""Which images nodes have, and how many of the nodes have each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from podling.api.kinds.core.node import Node


def images_of(node: Node) -> Mapping[str, int]:
    """Bytes by name; Docker's own prefixes may be left out, as Pods do."""
    found: dict[str, int] = {}
    for image in node.status.images:
        for name in image.names:
            found[name] = found[_short(name)] = image.size_bytes
    return found


def _short(name: str) -> str:
    return name.removeprefix("docker.io/").removeprefix("library/")


class ImageSpread:
    """Shared by all nodes of a snapshot."""

    def __init__(self) -> None:
        self.nodes = 0
        self._holders: Counter[str] = Counter()

    def change(self, images: Iterable[str], by: int) -> None:
        """A node with these came (1) or went (-1)."""
        self.nodes += by
        for image in images:
            self._holders[image] += by

    def share(self, image: str) -> float:
        """Of the nodes that have it."""
        return self._holders[image] / self.nodes if self.nodes else 0.0
