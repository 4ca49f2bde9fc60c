"""NodePorts: a host port is given once per node, protocol and address."""

from __future__ import annotations

from podling.scheduler.plugin import Plugin, Refusal
from podling.scheduler.snapshot import NodeFacts, PodFacts

REFUSAL = Refusal(("node(s) didn't have free ports for the requested pod ports",))
ANY = "0.0.0.0"

Ports = tuple[tuple[str, str, int], ...]


def prepare(facts: PodFacts) -> Ports | None:
    return facts.ports or None


def refuse(wanted: Ports, node: NodeFacts) -> Refusal | None:
    taken = [port for port, count in node.ports.items() if count > 0]
    return REFUSAL if any(_clash(mine, other) for mine in wanted for other in taken) else None


def _clash(mine: tuple[str, str, int], other: tuple[str, str, int]) -> bool:
    same_address = mine[1] == other[1] or ANY in (mine[1], other[1])
    return mine[0] == other[0] and mine[2] == other[2] and same_address


PLUGIN = Plugin("NodePorts", prepare, refuse)
