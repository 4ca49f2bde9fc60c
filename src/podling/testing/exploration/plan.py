"""From a seed to a plan: workloads, what their users do to them, and what goes wrong meanwhile.

Pure: one seed is one plan, for ever the same under the same version of this file. Plans are small (a handful of Pods, a
minute and a half), because thousands of them find more than one large one.
"""

from __future__ import annotations

import random
from typing import Any, Final

import msgspec

from podling.client.resources import (
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    PODDISRUPTIONBUDGETS,
    REPLICASETS,
    RESOURCEQUOTAS,
    SERVICES,
    STATEFULSETS,
)
from podling.client.transport import Resource
from podling.testing.faults import Faults

Json = dict[str, Any]

NAMESPACE: Final = "default"
BUSY: Final = 90.0
"""Seconds in which users act and things go wrong; afterwards nothing fails and everything has to come to rest."""
ENDING_IMAGE: Final = "task:1"
"""Containers of this image end by themselves."""


class Create(msgspec.Struct, frozen=True):
    at: float
    resource: Resource
    body: Json

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])


class Change(msgspec.Struct, frozen=True):
    """A merge patch of the spec."""

    at: float
    resource: Resource
    name: str
    spec: Json


class Delete(msgspec.Struct, frozen=True):
    at: float
    resource: Resource
    name: str
    propagation: str


class Evict(msgspec.Struct, frozen=True):
    """The eviction of the n-th Pod (in order of names) of an application."""

    at: float
    app: str
    number: int


class Trouble(msgspec.Struct, frozen=True):
    """`silence` a component and start it again after so many seconds, `taint` or `cordon` a node for so long, stop the
    `server` for so long, or set the clock so far (`jump`)."""

    at: float
    what: str
    target: str
    seconds: float


Move = Create | Change | Delete | Evict | Trouble


class Plan(msgspec.Struct, frozen=True):
    seed: int
    nodes: int
    faults: Faults
    moves: tuple[Move, ...]
    """In order of their times."""

    @property
    def nodes_stay(self) -> bool:
        """No node is lost, no Pod evicted, nobody who counts them stopped: availability is the controllers' alone."""
        return not any(isinstance(move, Evict | Trouble) for move in self.moves)


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    chance = random.Random(seed)
    nodes = chance.randint(2, 3)
    moves: list[Move] = []
    kinds = chance.sample(sorted(_WORKLOADS), k=chance.choice((1, 2, 2, 3)))
    for number, kind in enumerate(kinds, 1):
        moves += _WORKLOADS[kind](chance, f"{kind}{number}")
    if chance.random() < 0.25:
        hard = {"pods": str(chance.randint(3, 8))}
        moves.append(
            Create(_time(chance, 0, 5), RESOURCEQUOTAS, _object("v1", "ResourceQuota", "quota", {"hard": hard}))
        )
    if chance.random() < 0.6:
        moves += _troubles(chance, nodes)
    return Plan(seed, nodes, _faults(chance), tuple(sorted(moves, key=lambda move: move.at)))


def _faults(chance: random.Random) -> Faults:
    """Every fault is absent in a third of the plans, so that none hides what another one shows."""

    def rate(most: float) -> float:
        return 0.0 if chance.random() < 0.35 else chance.random() * most

    return Faults(
        lost_watch=rate(0.05),
        expired_watch=rate(0.04),
        repeated_events=rate(0.1),
        conflict=rate(0.1),
        lost_request=rate(0.06),
        lost_answer=rate(0.06),
        too_many=rate(0.05),
        broken=rate(0.05),
        storage=rate(0.03),
        delay=rate(0.2),
    )


def _time(chance: random.Random, first: float, last: float) -> float:
    return round(first + chance.random() * (last - first), 3)


# What users do.


def _object(api_version: str, kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def _template(chance: random.Random, app: str, image: str = "x:1", **spec: Any) -> Json:
    container: Json = {"name": "main", "image": image}
    if chance.random() < 0.5:
        container["resources"] = {"requests": {"cpu": chance.choice(("500m", "2", "3"))}}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container], **spec}}


def _image(number: int) -> Json:
    return {"template": {"spec": {"containers": [{"name": "main", "image": f"x:{number}"}]}}}


def _ends(chance: random.Random, resource: Resource, name: str) -> list[Move]:
    """Some are deleted again, in one of the ways there are."""
    if chance.random() < 0.7:
        return []
    return [Delete(_time(chance, 30, BUSY), resource, name, chance.choice(("Background", "Foreground")))]


def _scaled(chance: random.Random, resource: Resource, name: str, most: int = 6) -> list[Move]:
    return [
        Change(_time(chance, 5, BUSY - 10), resource, name, {"replicas": chance.randint(0, most)})
        for _ in range(chance.choice((0, 1, 1, 2)))
    ]


def _replica_set(chance: random.Random, name: str) -> list[Move]:
    spec = {"replicas": chance.randint(1, 6), "selector": {"matchLabels": {"app": name}}}
    body = _object("apps/v1", "ReplicaSet", name, spec | {"template": _template(chance, name)})
    return [
        Create(_time(chance, 0, 10), REPLICASETS, body),
        *_scaled(chance, REPLICASETS, name),
        *_ends(chance, REPLICASETS, name),
    ]


def _deployment(chance: random.Random, name: str) -> list[Move]:
    surge, unavailable = chance.choice(((1, 0), (0, 1), (1, 1), (2, 0), ("25%", "25%"), ("50%", "0%")))
    strategy: Json = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    if chance.random() < 0.2:
        strategy = {"type": "Recreate"}
    spec = {
        "replicas": chance.randint(1, 5),
        "selector": {"matchLabels": {"app": name}},
        "strategy": strategy,
        "minReadySeconds": chance.choice((0, 0, 3)),
    }
    body = _object("apps/v1", "Deployment", name, spec | {"template": _template(chance, name)})
    rollouts: list[Move] = [
        Change(_time(chance, 5, BUSY - 20), DEPLOYMENTS, name, _image(number))
        for number in range(2, 2 + chance.choice((0, 1, 1, 2, 3)))
    ]
    service = {"selector": {"app": name}, "ports": [{"port": 80}]}
    return [
        Create(_time(chance, 0, 10), DEPLOYMENTS, body),
        Create(_time(chance, 0, 10), SERVICES, _object("v1", "Service", name, service)),
        *rollouts,
        *_scaled(chance, DEPLOYMENTS, name),
        *_guarded(chance, name),
        *_ends(chance, DEPLOYMENTS, name),
    ]


def _guarded(chance: random.Random, name: str) -> list[Move]:
    """A disruption budget, and somebody who evicts."""
    if chance.random() < 0.6:
        return []
    budget = {"minAvailable": chance.randint(1, 2), "selector": {"matchLabels": {"app": name}}}
    moves: list[Move] = [
        Create(_time(chance, 0, 10), PODDISRUPTIONBUDGETS, _object("policy/v1", "PodDisruptionBudget", name, budget))
    ]
    for number in range(chance.randint(1, 5)):
        moves.append(Evict(_time(chance, 15, BUSY - 10), name, number))
    return moves


def _stateful_set(chance: random.Random, name: str) -> list[Move]:
    spec: Json = {
        "replicas": chance.randint(1, 4),
        "serviceName": name,
        "selector": {"matchLabels": {"app": name}},
        "podManagementPolicy": chance.choice(("OrderedReady", "OrderedReady", "Parallel")),
    }
    if chance.random() < 0.3:
        spec["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": chance.randint(0, 2)}}
    body = _object("apps/v1", "StatefulSet", name, spec | {"template": _template(chance, name)})
    rollouts: list[Move] = [
        Change(_time(chance, 10, BUSY - 20), STATEFULSETS, name, _image(number))
        for number in range(2, 2 + chance.choice((0, 1, 1)))
    ]
    return [
        Create(_time(chance, 0, 10), STATEFULSETS, body),
        *rollouts,
        *_scaled(chance, STATEFULSETS, name, most=4),
        *_ends(chance, STATEFULSETS, name),
    ]


def _daemon_set(chance: random.Random, name: str) -> list[Move]:
    spec: Json = {"selector": {"matchLabels": {"app": name}}, "template": _template(chance, name)}
    rollouts: list[Move] = [
        Change(_time(chance, 10, BUSY - 20), DAEMONSETS, name, _image(number))
        for number in range(2, 2 + chance.choice((0, 1)))
    ]
    body = _object("apps/v1", "DaemonSet", name, spec)
    return [Create(_time(chance, 0, 10), DAEMONSETS, body), *rollouts, *_ends(chance, DAEMONSETS, name)]


def _job(chance: random.Random, name: str) -> list[Move]:
    completions = chance.randint(1, 4)
    spec: Json = {
        "completions": completions,
        "parallelism": chance.randint(1, completions),
        "completionMode": chance.choice(("NonIndexed", "Indexed")),
        "backoffLimit": 6,
        "template": _template(chance, name, ENDING_IMAGE, restartPolicy="Never"),
    }
    return [Create(_time(chance, 0, 20), JOBS, _object("batch/v1", "Job", name, spec))]


_WORKLOADS = {
    "set": _replica_set,
    "web": _deployment,
    "api": _deployment,
    "db": _stateful_set,
    "agent": _daemon_set,
    "task": _job,
}


# What goes wrong.


def _troubles(chance: random.Random, nodes: int) -> list[Move]:
    out: list[Move] = []
    for _ in range(chance.randint(1, 3)):
        node = f"node-{chance.randint(1, nodes)}"
        what, target, most = chance.choice(
            (
                ("silence", "controllers", 10.0),
                ("silence", "controllers", 10.0),
                ("silence", "scheduler", 10.0),
                ("silence", node, 120.0),
                ("silence", node, 450.0),
                ("taint", node, 40.0),
                ("cordon", node, 40.0),
                ("server", "", 8.0),
                ("jump", "", 4000.0),
            )
        )
        seconds = _time(chance, 0, most)
        out.append(
            Trouble(_time(chance, 5, BUSY - 10), what, target, -seconds / 60 if _backwards(what, chance) else seconds)
        )
    return out


def _backwards(what: str, chance: random.Random) -> bool:
    return what == "jump" and chance.random() < 0.5
