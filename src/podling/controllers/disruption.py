"""PodDisruptionBudget: how many Pods of a set may be taken away now, counted anew whenever one of them changes.

Evictions spend what is counted here (`api/kinds/policy/budgets.py`), so the status is written only on the revision
that was seen. Where the count cannot be made the budget is closed, with the reason in its condition.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import msgspec

from podling.api.errors import ApiError, NotFound
from podling.api.kinds.meta import OwnerReference
from podling.api.kinds.policy import budgets
from podling.api.kinds.policy.poddisruptionbudget import PodDisruptionBudgetSpec
from podling.api.objects import Object
from podling.client.resources import (
    DEPLOYMENTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    STATEFULSETS,
)
from podling.client.transport import Resource
from podling.env import rfc3339
from podling.reconcile import pods, shares, statuses
from podling.reconcile.action import Action, Again, Answers, Ask, Asking, Group, Tell, reference
from podling.reconcile.batches import SLICE, evenly
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.selectors import matches, select
from podling.reconcile.view import View

DELETION_TIMEOUT = 120.0
"""Seconds in which a Pod whose eviction was granted has to be seen terminating."""
SCALED: dict[tuple[str, str], Resource] = {
    ("ReplicaSet", "apps"): REPLICASETS,
    ("ReplicaSet", "extensions"): REPLICASETS,
    ("ReplicationController", ""): REPLICATIONCONTROLLERS,
    ("StatefulSet", "apps"): STATEFULSETS,
}
UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the "
    "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these "
    'pods please set ".spec.minAvailable" field of the PDB to an integer value.'
)

Json = dict[str, Any]
Asked = Generator[Group, Answers, "_Expected"]


class Uncountable(Exception):
    """The number of Pods that are meant to be there cannot be told; says why."""


class _Expected(msgspec.Struct, frozen=True):
    """`pods` that are meant to be there, `healthy` that have to be; whether some belong to nobody."""

    pods: int
    healthy: int
    unmanaged: bool = False


class _Granted(msgspec.Struct, frozen=True):
    """Evictions that were granted: those still awaited, those that never came, and when to look again."""

    awaited: dict[str, str]
    overdue: tuple[Object, ...]
    again: float | None


def reconcile(found: Object, view: View) -> Asking:
    """Groups: questions about scales; what is told; the status."""
    selector = found.view.spec.selector
    chosen = [] if selector is None else select(view.of(PODS), found.head.namespace, selector)
    about, told = reference(found), list[Action]()
    if not chosen:
        told.append(Tell(about, "Normal", "NoPods", "No matching pods found"))
    try:
        expected = yield from _expected(found.view.spec, chosen, view)
    except Uncountable as error:
        text = f"Failed to calculate the number of expected pods: {error}"
        told.append(Tell(about, "Warning", "CalculateExpectedPodCountFailed", text))
        yield [*told, *_closed(found, str(error), view.now)]
        return
    if expected.unmanaged:
        said = UNMANAGED.format(selector=msgspec.json.encode(selector).decode())
        told.append(Tell(about, "Warning", "UnmanagedPods", said))
    granted = _granted(found, chosen, view.now)
    told += [_overdue(found, each) for each in granted.overdue]
    told += [Again(granted.again)] if granted.again is not None else []
    healthy = yield from _healthy(chosen, granted)
    yield [*told, *_ambiguous(found, chosen, view), *_counted(found, healthy, expected, granted, view.now)]


def _expected(spec: PodDisruptionBudgetSpec, chosen: Sequence[Object], view: View) -> Asked:
    if spec.max_unavailable is not None:
        meant = yield from _scales(chosen, view)
        missing = shares.resolve(spec.max_unavailable, meant.pods, up=True)
        return msgspec.structs.replace(meant, healthy=max(0, meant.pods - missing))
    if isinstance(spec.min_available, str):
        meant = yield from _scales(chosen, view)
        return msgspec.structs.replace(meant, healthy=shares.resolve(spec.min_available, meant.pods, up=True))
    if spec.min_available is not None:
        return _Expected(len(chosen), spec.min_available)
    return _Expected(0, 0)


def _scales(chosen: Sequence[Object], view: View) -> Asked:
    """The sum of what the Pods' controllers are scaled to. Raises Uncountable."""
    known: dict[str, int] = {}
    unmanaged = False
    for some in evenly(chosen, SLICE):
        for pod in some:
            owner = pods.controller_of(pod.view.metadata)
            if owner is None:
                unmanaged = True
            elif owner.uid not in known:
                scale = _known_scale(owner, pod.head.namespace, view)
                if scale is None:
                    scale = yield from _asked_scale(owner, pod, view)
                known |= scale | {owner.uid: scale.get(owner.uid, 0)}
        yield []
    return _Expected(sum(known.values()), 0, unmanaged)


def _known_scale(owner: OwnerReference, namespace: str, view: View) -> dict[str, int] | None:
    """uid → replicas of the built-in that decides; a Deployment's own for its ReplicaSets."""
    resource = SCALED.get((owner.kind, _group(owner.api_version)))
    found = view.of(resource).get(namespace, owner.name) if resource is not None else None
    if found is None or found.head.uid != owner.uid:
        return None
    above = pods.controller_of(found.view.metadata)
    if resource == REPLICASETS and above is not None and above.kind == "Deployment":
        deployment = view.of(DEPLOYMENTS).get(namespace, above.name)
        return None if deployment is None or deployment.head.uid != above.uid else {above.uid: _replicas(deployment)}
    return {owner.uid: _replicas(found)}


def _asked_scale(owner: OwnerReference, pod: Object, view: View) -> Generator[Group, Answers, dict[str, int]]:
    """Of a custom resource: its `scale`. Raises Uncountable."""
    group, nobody = _group(owner.api_version), Uncountable(f'found no controllers for pod "{pod.head.name}"')
    if (owner.kind, group) in SCALED:
        raise nobody
    served = view.served.of_kind(group, owner.kind)
    if served is None:
        raise Uncountable(f'no matches for kind "{owner.kind}" in version "{owner.api_version}"')
    answers = yield [Ask(served.resource.path(pod.head.namespace, owner.name, "scale"))]
    scale = answers[0]
    if isinstance(scale, NotFound) and not scale.name:
        qualified = f"{served.resource.plural}.{group}".rstrip(".")
        raise Uncountable(f"{qualified} does not implement the scale subresource")
    if isinstance(scale, NotFound):
        raise nobody
    if isinstance(scale, ApiError):
        raise Uncountable(str(scale))
    if scale["metadata"].get("uid") != owner.uid:
        raise nobody
    return {owner.uid: int((scale.get("spec") or {}).get("replicas") or 0)}


def _granted(found: Object, chosen: Iterable[Object], now: float) -> _Granted:
    """What becomes of the evictions that the API server granted; those that are seen need no remembering."""
    remembered = found.view.status.disrupted_pods
    if not remembered:
        return _Granted({}, (), None)
    awaited: dict[str, str] = {}
    overdue: list[Object] = []
    dues: list[float] = []
    for pod in chosen:
        since = remembered.get(pod.head.name)
        if since is None or pod.head.deleting:
            continue
        due = pods.seconds(since, now) + DELETION_TIMEOUT
        if due < now:
            overdue.append(pod)
        else:
            awaited[pod.head.name] = since
            dues.append(due - now)
    return _Granted(awaited, tuple(overdue), min(dues, default=None))


def _healthy(chosen: Sequence[Object], granted: _Granted) -> Generator[Group, Answers, int]:
    """How many serve and will go on doing so."""
    count = 0
    for some in evenly(chosen, SLICE):
        staying = [pod for pod in some if not pod.head.deleting and pod.head.name not in granted.awaited]
        count += sum(pods.is_ready(pod.view) for pod in staying)
        yield []
    return count


def _counted(found: Object, healthy: int, expected: _Expected, granted: _Granted, now: float) -> Group:
    allowed = max(0, healthy - expected.healthy) if expected.pods > 0 else 0
    generation = found.view.metadata.generation
    status: Json = {
        "observedGeneration": generation,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": expected.healthy,
        "expectedPods": expected.pods,
        "conditions": budgets.allowance(statuses.conditions_of(found), allowed, generation, rfc3339(now)),
    }
    if granted.awaited:
        status["disruptedPods"] = granted.awaited
    return statuses.writing(found, PODDISRUPTIONBUDGETS, status, locked=True)


def _closed(found: Object, why: str, now: float) -> Group:
    """Nothing may go until it is known again how much may."""
    old: Json = found.json().get("status") or {}
    generation = old.get("observedGeneration", 0)
    conditions = budgets.stated(
        old.get("conditions") or (), "False", budgets.SYNC_FAILED, why, generation, rfc3339(now)
    )
    status = old | {"disruptionsAllowed": 0, "conditions": conditions}
    return statuses.writing(found, PODDISRUPTIONBUDGETS, status, locked=True)


def _overdue(found: Object, pod: Object) -> Tell:
    text = f"Pod was expected by PDB {found.head.namespace}/{found.head.name} to be deleted but it wasn't"
    return Tell(reference(pod), "Warning", "NotDeleted", text)


def _ambiguous(found: Object, chosen: Iterable[Object], view: View) -> list[Action]:
    """Pods of several budgets, told by the first of these: evictions of them fail."""
    listed = view.of(PODDISRUPTIONBUDGETS).list(found.head.namespace)
    if len(listed) < 2:
        return []
    out: list[Action] = []
    for pod in chosen:
        concerned = [each for each in listed if _is_about(each, pod)]
        if len(concerned) > 1 and concerned[0] is found:
            text = (
                f'Pod "{pod.head.namespace}"/"{pod.head.name}" matches multiple PodDisruptionBudgets.  '
                f'Chose "{found.head.name}" arbitrarily.'
            )
            out.append(Tell(reference(pod), "Warning", "MultiplePodDisruptionBudgets", text))
    return out


def _is_about(budget: Object, pod: Object) -> bool:
    selector = budget.view.spec.selector
    return selector is not None and matches(selector, pod.head.labels)


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _replicas(found: Object) -> int:
    wanted = found.view.spec.replicas
    return 1 if wanted is None else int(wanted)


def _of_pod(pod: Object, view: View) -> Iterable[str]:
    return [each.key for each in view.of(PODDISRUPTIONBUDGETS).list(pod.head.namespace) if _is_about(each, pod)]


def _of_scale(scaled: Object, view: View) -> Iterable[str]:
    """Budgets that count from what is asked for: a quota may keep every Pod's change from following."""
    template = scaled.view.spec.template
    labels = template.metadata.labels if template is not None else {}
    for each in view.of(PODDISRUPTIONBUDGETS).list(scaled.head.namespace):
        spec = each.view.spec
        counts = spec.max_unavailable is not None or isinstance(spec.min_available, str)
        if counts and spec.selector is not None and matches(spec.selector, labels):
            yield each.key


def _same_scale(old: Object, new: Object) -> bool:
    return old.head.uid == new.head.uid and _replicas(old) == _replicas(new)


SCALES = (DEPLOYMENTS, REPLICASETS, REPLICATIONCONTROLLERS, STATEFULSETS)
CONTROLLER = Controller(
    name="disruption",
    component="controllermanager",
    reconcile=reconcile,
    resource=PODDISRUPTIONBUDGETS,
    watches=(
        Watch(PODS, _of_pod, pods.same_standing),
        *(Watch(resource, _of_scale, _same_scale) for resource in SCALES),
    ),
)
