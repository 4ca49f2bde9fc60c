"""The flow schemas and priority levels that every cluster has, as Kubernetes 1.37 makes them.

Mandatory ones are as they are here whatever anybody writes; suggested ones stay as somebody left them who sets the
annotation to "false" (Kubernetes documentation, "API Priority and Fairness").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

GROUP = "flowcontrol.apiserver.k8s.io"
SCHEMA, LEVEL = "flowschemas", "prioritylevelconfigurations"
AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"
MANDATORY: Final = ("exempt", "catch-all")
EVERYBODY = ("system:unauthenticated", "system:authenticated")
MANAGER, SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
LOCKING = ("get", "create", "update")
Json = dict[str, Any]


def _limited(shares: int, lendable: int, queuing: tuple[int, int, int] | None) -> Json:
    """`queuing`: queues, hand size, length limit; None: what does not fit is refused."""
    response: Json = {"type": "Reject"}
    if queuing is not None:
        names = ("queues", "handSize", "queueLengthLimit")
        response = {"type": "Queue", "queuing": dict(zip(names, queuing, strict=True))}
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
    return {"type": "Limited", "limited": limited}


LEVELS: Final[dict[str, Json]] = {
    "exempt": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    "catch-all": _limited(5, 0, None),
    "system": _limited(30, 33, (64, 6, 50)),
    "node-high": _limited(40, 25, (64, 6, 50)),
    "leader-election": _limited(10, 0, (16, 4, 50)),
    "workload-high": _limited(40, 50, (128, 6, 50)),
    "workload-low": _limited(100, 90, (128, 6, 50)),
    "global-default": _limited(20, 50, (128, 6, 50)),
}


def _groups(*names: str) -> list[Json]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Json]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _accounts(*names: str) -> list[Json]:
    """Of kube-system."""
    return [{"kind": "ServiceAccount", "serviceAccount": {"name": name, "namespace": "kube-system"}} for name in names]


def _resources(
    verbs: Sequence[str], group: str, resources: Sequence[str], *, namespace: str = "*", cluster: bool = False
) -> Json:
    rule: Json = {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources)}
    return {**rule, **({"clusterScope": True} if cluster else {}), "namespaces": [namespace]}


def _schema(
    level: str,
    precedence: int,
    by: str,
    subjects: list[Json],
    resources: list[Json] | None = None,
    others: list[Json] | None = None,
) -> Json:
    """Without rules: about everything."""
    if resources is None and others is None:
        resources = [_resources("*", "*", "*", cluster=True)]
        others = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
    rule: Json = {"subjects": subjects, "resourceRules": resources, "nonResourceRules": others}
    spec: Json = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    spec |= {"distinguisherMethod": {"type": by}} if by else {}
    return {**spec, "rules": [{name: value for name, value in rule.items() if value}]}


_LEASES = _resources(LOCKING, "coordination.k8s.io", ["leases"])
_PROBES: Final = [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]
SCHEMAS: Final[dict[str, Json]] = {
    "exempt": _schema("exempt", 1, "", _groups("system:masters")),
    "catch-all": _schema("catch-all", 10000, "ByUser", _groups(*EVERYBODY)),
    "probes": _schema("exempt", 2, "", _groups(*EVERYBODY), None, _PROBES),
    "system-leader-election": _schema(
        "leader-election", 100, "ByUser", [*_users(MANAGER, SCHEDULER), *_accounts("*")], [_LEASES]
    ),
    "endpoint-controller": _schema(
        "workload-high",
        150,
        "ByUser",
        [*_users(MANAGER), *_accounts("endpoint-controller", "endpointslicemirroring-controller")],
        [_resources(LOCKING, "", ["endpoints"])],
    ),
    "workload-leader-election": _schema(
        "leader-election",
        200,
        "ByUser",
        _accounts("*"),
        [_resources(LOCKING, "", ["endpoints", "configmaps"]), _LEASES],
    ),
    "system-node-high": _schema(
        "node-high",
        400,
        "ByUser",
        _groups("system:nodes"),
        [
            _resources("*", "", ["nodes", "nodes/status"], cluster=True),
            _resources("*", "coordination.k8s.io", ["leases"]),
        ],
    ),
    "system-nodes": _schema("system", 500, "ByUser", _groups("system:nodes")),
    "kube-controller-manager": _schema("workload-high", 800, "ByNamespace", _users(MANAGER)),
    "kube-scheduler": _schema("workload-high", 800, "ByNamespace", _users(SCHEDULER)),
    "kube-system-service-accounts": _schema("workload-high", 900, "ByNamespace", _accounts("*")),
    "service-accounts": _schema("workload-low", 9000, "ByUser", _groups("system:serviceaccounts")),
    "global-default": _schema("global-default", 9900, "ByUser", _groups(*EVERYBODY)),
}
WANTED: Final = {
    **{(LEVEL, name): spec for name, spec in LEVELS.items()},
    **{(SCHEMA, name): spec for name, spec in SCHEMAS.items()},
}


def found_level(name: str, now: str) -> list[Json]:
    """The conditions of a schema whose level exists."""
    text = f'This FlowSchema references the PriorityLevelConfiguration object named "{name}" and it exists'
    return [{"type": "Dangling", "status": "False", "reason": "Found", "message": text, "lastTransitionTime": now}]
