"""HorizontalPodAutoscaler: as many replicas as the metrics ask for, within bounds and not too fast.

Every 15 seconds the target's scale and the metrics are asked for; of several metrics the one that asks for most
decides. What the metrics say is in `reconcile/metricsources.py` and `podusage.py`, how far a step may go in
`scalinglimits.py`. Zero replicas are a pause, unless the autoscaler itself went there (KEP-2021).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import msgspec

from podling.api import labels
from podling.api.errors import ApiError
from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object
from podling.api.quantity import parse
from podling.client.resources import DEPLOYMENTS, HORIZONTALPODAUTOSCALERS, PODS, REPLICASETS, STATEFULSETS
from podling.client.transport import Resource
from podling.env import rfc3339
from podling.reconcile import metricsources, scalinglimits, statuses
from podling.reconcile.action import Action, Again, Answers, Ask, Asking, Group, Remember, Tell, Update, reference
from podling.reconcile.controller import Controller
from podling.reconcile.metricsources import Refused, Target, Told
from podling.reconcile.podusage import Rules
from podling.reconcile.scalinglimits import Memory, Verdict, Wanted
from podling.reconcile.selectors import matches
from podling.reconcile.statuses import Conditions
from podling.reconcile.view import View

Json = dict[str, Any]
ZERO = "ScaledToZero"
_SELECTING = {"Deployment": DEPLOYMENTS, "ReplicaSet": REPLICASETS, "StatefulSet": STATEFULSETS}


class Kept(msgspec.Struct, frozen=True):
    """What a run leaves to the next: what it was about, when, and the memory of what was recommended."""

    spec: Json
    at: float
    memory: Memory


class Unable(Exception):
    """The run ends here: `reason` and text of an event, `conditions` to write."""

    def __init__(self, reason: str, text: str, conditions: Conditions, told: list[Action] | None = None) -> None:
        super().__init__(text)
        self.reason, self.conditions, self.told = reason, conditions, told or []


class Case(msgspec.Struct, frozen=True):
    """One autoscaler at one moment."""

    found: Object
    spec: Json
    status: Json
    view: View
    memory: Memory

    @property
    def least(self) -> int:
        low = self.spec.get("minReplicas")
        return 1 if low is None else int(low)

    @property
    def most(self) -> int:
        return int(self.spec["maxReplicas"])


class Scaled(msgspec.Struct, frozen=True):
    """The target: its resource, its Scale, how many it shall have and has."""

    resource: Resource
    scale: Json
    replicas: int
    present: int


class Step(msgspec.Struct, frozen=True):
    """`replicas` to have now and why; the conditions and metrics to tell; events on the way."""

    replicas: int
    why: str
    conditions: Conditions
    memory: Memory
    metrics: tuple[Json, ...] = ()
    told: tuple[Action, ...] = ()
    rescale: bool = True


def reconcile(found: Object, view: View) -> Asking:
    """Groups: the scale; the metrics; the new scale; the status, what is told, what is remembered."""
    body = found.json()
    spec, kept = body.get("spec") or {}, view.remembered
    if isinstance(kept, Kept) and kept.spec == spec and view.failure is None:
        left = kept.at + view.settings.autoscaling_period - view.now
        if left > 0:
            yield [Again(left)]
            return
    memory = kept.memory if isinstance(kept, Kept) else Memory()
    case = Case(found, spec, body.get("status") or {}, view, memory)
    target = None
    try:
        target = yield from _target(case)
        step = yield from _step(case, target)
    except Unable as error:
        yield _unable(case, error, target)
        return
    if step.rescale and step.replicas != target.replicas:
        if (refusal := view.failure) is not None and refusal.reason != "Conflict":
            yield _not_rescaled(case, target, step, refusal)
        scale = {**target.scale, "spec": {**(target.scale.get("spec") or {}), "replicas": step.replicas}}
        yield [Update(target.resource, found.head.namespace, spec["scaleTargetRef"]["name"], scale, "scale")]
    yield _done(case, target, step)


def _target(case: Case) -> Generator[Group, Answers, Scaled]:
    ref = case.spec.get("scaleTargetRef") or {}
    group, kind, name = ref.get("apiVersion", "").rpartition("/")[0], ref.get("kind", ""), ref.get("name", "")
    served = case.view.served.of_kind(group, kind)
    if served is None:
        raise _no_scale(case, f'no matches for kind "{kind}" in group "{group}"')
    answers = yield [Ask(served.resource.path(case.found.head.namespace, name, "scale"))]
    scale = answers[0]
    if isinstance(scale, ApiError):
        raise _no_scale(case, str(scale))
    replicas = int((scale.get("spec") or {}).get("replicas") or 0)
    return Scaled(served.resource, scale, replicas, int((scale.get("status") or {}).get("replicas") or 0))


def _no_scale(case: Case, why: str) -> Unable:
    text = f"the HPA controller was unable to get the target's current scale: {why}"
    conditions = _with(case, _conditions(case), "AbleToScale", "False", "FailedGetScale", text)
    return Unable("FailedGetScale", why, conditions)


def _step(case: Case, target: Scaled) -> Generator[Group, Answers, Step]:
    text = "the HPA controller was able to get the target's current scale"
    conditions = _with(case, _conditions(case), "AbleToScale", "True", "SucceededGetScale", text)
    memory = case.memory
    if not memory.recommended:
        first = scalinglimits.Mark(target.replicas, case.view.now)
        memory = msgspec.structs.replace(memory, recommended=(first,))
    if target.replicas == 0 and not statuses.holds(conditions, ZERO):
        text = "scaling is disabled since the replica count of the target is zero"
        conditions = _with(case, conditions, "ScalingActive", "False", "ScalingDisabled", text)
        return Step(0, "", conditions, memory, rescale=False)
    if target.replicas > case.most:
        return Step(case.most, "Current number of replicas above Spec.MaxReplicas", conditions, memory)
    if target.replicas < case.least:
        return Step(case.least, "Current number of replicas below Spec.MinReplicas", conditions, memory)
    return (yield from _measured(case, target, conditions, memory))


def _measured(case: Case, target: Scaled, conditions: Conditions, memory: Memory) -> Generator[Group, Answers, Step]:
    told: list[Told | Refused] = []
    measured = _of(case, target, conditions)
    for metric in case.spec.get("metrics") or ():
        try:
            told.append((yield from metricsources.evaluate(metric, measured)))
        except Refused as refused:
            told.append(refused)
    best, events, conditions = _best(case, target, told, conditions)
    wanted = Wanted(target.replicas, best.replicas, case.least, case.most, case.view.now)
    behavior = case.spec.get("behavior")
    verdict, memory = scalinglimits.decide(wanted, memory, behavior, case.view.settings.downscale_window)
    conditions = _limited(case, conditions, verdict)
    why = ""
    if best.replicas > target.replicas:
        why = f"{best.name} above target"
    elif best.replicas < target.replicas:
        why = "All metrics below target"
    metrics = tuple(each.status if isinstance(each, Told) else {"type": ""} for each in told)
    return Step(verdict.replicas, why, conditions, memory, metrics, tuple(events))


def _of(case: Case, target: Scaled, conditions: Conditions) -> Target:
    """What metrics are asked about. Raises Unable."""
    text = (target.scale.get("status") or {}).get("selector", "")
    if not text:
        conditions = _with(
            case,
            conditions,
            "ScalingActive",
            "False",
            "InvalidSelector",
            "the HPA target's scale is missing a selector",
        )
        raise Unable("SelectorRequired", "selector is required", conditions)
    try:
        selector = labels.parse(text)
    except labels.BadSelector as error:
        said = f"couldn't convert selector into a corresponding internal selector object: {error}"
        conditions = _with(case, conditions, "ScalingActive", "False", "InvalidSelector", said)
        raise Unable("InvalidSelector", said, conditions) from None
    namespace = case.found.head.namespace
    chosen = case.view.of(PODS).selected(namespace, dict(selector.exact))
    pods = tuple(each.view for each in chosen if selector.matches(each.head.labels))
    if rivals := _rivals(case, pods):
        both = " ".join(f"{{{name} {namespace}}}" for name in sorted([case.found.head.name, *rivals]))
        said = f"pods by selector {selector} are controlled by multiple HPAs: [{both}]"
        conditions = _with(case, conditions, "ScalingActive", "False", "AmbiguousSelector", said)
        raise Unable("AmbiguousSelector", said, conditions)
    return Target(namespace, text, pods, target.replicas, target.present, _rules(case), case.view.served)


def _rivals(case: Case, pods: Iterable[Pod]) -> list[str]:
    """Other autoscalers that scale some of these Pods: whatever one of them did, the other would undo."""
    out: list[str] = []
    for each in case.view.of(HORIZONTALPODAUTOSCALERS).list(case.found.head.namespace):
        ref = (each.json().get("spec") or {}).get("scaleTargetRef") or {}
        if each.key == case.found.key:
            continue
        if ref == case.spec.get("scaleTargetRef") or any(_scales(case, ref, pod) for pod in pods):
            out.append(each.head.name)
    return out


def _scales(case: Case, ref: Json, pod: Pod) -> bool:
    """Whether what is referred to selects the Pod, as far as it is a built-in workload."""
    resource = _SELECTING.get(ref.get("kind", ""))
    found = case.view.of(resource).get(pod.metadata.namespace, ref.get("name", "")) if resource is not None else None
    selector = found.view.spec.selector if found is not None else None
    return selector is not None and matches(selector, pod.metadata.labels)


def _rules(case: Case) -> Rules:
    settings, behavior = case.view.settings, case.spec.get("behavior")

    def share(direction: str) -> float:
        default = settings.autoscaling_tolerance
        return scalinglimits.tolerance(behavior, direction, default, lambda text: float(parse(text)))

    return Rules(case.view.now, share("scaleUp"), share("scaleDown"), settings.initialization, settings.readiness_delay)


def _best(
    case: Case, target: Scaled, told: list[Told | Refused], conditions: Conditions
) -> tuple[Told, list[Action], Conditions]:
    """The metric that asks for most. Raises Unable where none tells, or where one that does not might ask for more."""
    about = reference(case.found)
    refused = [each for each in told if isinstance(each, Refused)]
    events: list[Action] = [Tell(about, "Warning", each.reason, str(each)) for each in refused]
    valid = [each for each in told if isinstance(each, Told)]
    best = max(valid, key=lambda each: each.replicas, default=None)
    if best is None or (refused and best.replicas < target.replicas):
        if not refused:
            refused = [Refused("InvalidMetricSourceType", "no metrics are declared")]
        text = f"the HPA was unable to compute the replica count: {refused[0]}"
        conditions = _with(case, conditions, "ScalingActive", "False", refused[0].reason, text)
        count = f"{len(refused)} invalid out of {len(told)}"
        why = f"invalid metrics ({count}), first error is: {refused[0].error}"
        raise Unable("FailedComputeMetricsReplicas", why, conditions, events)
    text = f"the HPA was able to successfully calculate a replica count from {best.name}"
    return best, events, _with(case, conditions, "ScalingActive", "True", "ValidMetricFound", text)


def _limited(case: Case, conditions: Conditions, verdict: Verdict) -> Conditions:
    conditions = _with(case, conditions, "AbleToScale", "True", *verdict.able)
    return _with(case, conditions, "ScalingLimited", "True" if verdict.limited else "False", *verdict.limit)


def _done(case: Case, target: Scaled, step: Step) -> Group:
    rescaled = step.rescale and step.replicas != target.replicas
    conditions, memory, now = step.conditions, step.memory, case.view.now
    told: list[Action] = [*step.told]
    if rescaled:
        text = f"the HPA controller was able to update the target scale to {step.replicas}"
        conditions = _with(case, conditions, "AbleToScale", "True", "SucceededRescale", text)
        message = f"New size: {step.replicas}; reason: {step.why}"
        told.append(Tell(reference(case.found), "Normal", "SuccessfulRescale", message))
        memory = scalinglimits.scaled(memory, target.replicas, step.replicas, case.spec.get("behavior"), now)
    conditions = _zero(case, conditions, step.replicas, rescaled=rescaled)
    status: Json = {"currentReplicas": target.replicas, "desiredReplicas": step.replicas, "conditions": conditions}
    if step.metrics:
        status["currentMetrics"] = list(step.metrics)
    if rescaled or case.status.get("lastScaleTime"):
        status["lastScaleTime"] = rfc3339(now) if rescaled else case.status["lastScaleTime"]
    return [*statuses.writing(case.found, HORIZONTALPODAUTOSCALERS, status), *told, *_later(case, memory)]


def _zero(case: Case, conditions: Conditions, replicas: int, *, rescaled: bool) -> Conditions:
    """Whose doing it is that there are no replicas."""
    if rescaled and replicas == 0:
        return _with(case, conditions, ZERO, "True", ZERO, "the HPA controller scaled the workload to zero")
    if replicas == 0 and statuses.holds(conditions, ZERO):
        return conditions
    text = "the HPA controller did not scale the workload to zero"
    return _with(case, conditions, ZERO, "False", "NotScaledToZero", text)


def _unable(case: Case, error: Unable, target: Scaled | None) -> Group:
    status = {**case.status, "conditions": error.conditions}
    if target is not None:
        status["currentReplicas"] = target.replicas
    status.setdefault("desiredReplicas", 0)
    told = Tell(reference(case.found), "Warning", error.reason, str(error))
    written = statuses.writing(case.found, HORIZONTALPODAUTOSCALERS, status)
    return [*written, *error.told, told, *_later(case, case.memory)]


def _not_rescaled(case: Case, target: Scaled, step: Step, why: ApiError) -> Group:
    text = f"the HPA controller was unable to update the target scale: {why}"
    conditions = _with(case, step.conditions, "AbleToScale", "False", "FailedUpdateScale", text)
    status = {**case.status, "conditions": conditions, "currentReplicas": target.replicas}
    status.setdefault("desiredReplicas", 0)
    message = f"New size: {step.replicas}; reason: {step.why}; error: {why}"
    told = Tell(reference(case.found), "Warning", "FailedRescale", message)
    return [*statuses.writing(case.found, HORIZONTALPODAUTOSCALERS, status), told]


def _later(case: Case, memory: Memory) -> list[Action]:
    kept = Kept(case.spec, case.view.now, memory)
    return [Remember(kept), Again(case.view.settings.autoscaling_period)]


def _conditions(case: Case) -> Conditions:
    return statuses.conditions_of(case.found)


def _with(case: Case, conditions: Conditions, type: str, status: str, reason: str, message: str) -> Conditions:
    """In its place; the time of transition stays while the status does."""
    old = statuses.condition(conditions, type)
    new = {"type": type, "status": status, "lastTransitionTime": rfc3339(case.view.now)}
    new |= {"reason": reason, "message": message}
    if old is None:
        return [*conditions, new]
    if old["status"] == status:
        new["lastTransitionTime"] = old.get("lastTransitionTime") or new["lastTransitionTime"]
    return [new if each is old else each for each in conditions]


CONTROLLER = Controller(
    name="horizontal-pod-autoscaler",
    component="horizontal-pod-autoscaler",
    reconcile=reconcile,
    resource=HORIZONTALPODAUTOSCALERS,
    reads=(PODS, *_SELECTING.values()),
)
