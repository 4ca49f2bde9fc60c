"""From which node an address is dialled that is no Pod's: all real ones reach the same, so any that lives will do."""

from __future__ import annotations

from podling.api.kinds.core.node import Node
from podling.api.objects import prefix_of
from podling.reconcile.hostpathvolumes import SIMULATED
from podling.storage.watchcache import WatchCache


def any_node(cache: WatchCache) -> str:
    """A ready node on which something runs, else the first there is; empty where there is none."""
    first = ""
    for found in cache.list(prefix_of("", "nodes")):
        first = first or found.head.name
        if found.head.labels.get(SIMULATED) != "true" and _ready(found.view):
            return found.head.name
    return first


def _ready(node: Node) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)
