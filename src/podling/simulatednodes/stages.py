"""How the life of a simulated Pod goes: declared by its annotations, by rules in a ConfigMap, or as everybody's.

Pods run and are ready at once and until they are deleted; those of a Job are done after a second. Rules are YAML in
the key `stages.yaml` of ConfigMap kube-system/simulated-stages, the first that concerns a Pod counts; an annotation
`podling.dev/<field>` counts more. Delays may be spans, of which each Pod gets a length of its own. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.reconcile import pods
from podling.simulatednodes.durations import Span, parse, share

PREFIX = "podling.dev/"
NAMESPACE, NAME, KEY = "kube-system", "simulated-stages", "stages.yaml"
NOW = Span()
DURATIONS = {
    "start-after": "start_after",
    "ready-after": "ready_after",
    "run-for": "run_for",
    "stop-after": "stop_after",
}


class Life(msgspec.Struct, frozen=True):
    """One way for a Pod's life to go."""

    start_after: Span = NOW
    """From the binding until the containers run."""
    ready_after: Span = NOW
    """From there until they are ready."""
    run_for: Span | None = None
    """How long they run; None: until the Pod is deleted."""
    stop_after: Span = NOW
    """From the deletion until the Pod is gone; never longer than its grace period."""
    exit_code: int = 0
    failure_rate: float = 1.0
    """The share of runs that end with `exit_code`; all others end with 0."""
    waiting_reason: str = ""
    """The containers never start and say this, e.g. ImagePullBackOff."""

    def ends_with(self, seed: str) -> int:
        return self.exit_code if share(seed) < self.failure_rate else 0


FOR_EVER = Life()
JOB = Life(run_for=Span(1.0, 1.0))


class Rule(msgspec.Struct, frozen=True):
    """Whom it concerns: all that is said has to hold."""

    life: Life
    namespace: str = ""
    owner: str = ""
    """Kind of the controller, e.g. Job."""
    labels: Mapping[str, str] = {}
    node: Mapping[str, str] = {}
    """Labels of the node."""

    def concerns(self, pod: Pod, node: Mapping[str, str]) -> bool:
        owner = pods.controller_of(pod.metadata)
        return (
            self.namespace in ("", pod.metadata.namespace)
            and self.owner in ("", owner.kind if owner is not None else "")
            and self.labels.items() <= pod.metadata.labels.items()
            and self.node.items() <= node.items()
        )


class BadStages(ValueError):
    """What is declared makes no sense; the message is for the user."""


def rules_of(declared: Any) -> tuple[Rule, ...]:
    """From the YAML as decoded: `stages: [{when: {labels, namespace, owner, node}, run-for: 5s, …}]`."""
    stages = declared.get("stages") if isinstance(declared, Mapping) else None
    if not isinstance(stages, Sequence) or isinstance(stages, str):
        raise BadStages("a list `stages` is wanted")
    return tuple(_rule(stage, f"stages[{index}]") for index, stage in enumerate(stages))


def life_of(pod: Pod, node: Mapping[str, str], rules: Sequence[Rule]) -> Life:
    """Raises BadStages where an annotation makes no sense."""
    declared = next((rule.life for rule in rules if rule.concerns(pod, node)), None)
    if declared is None:
        owner = pods.controller_of(pod.metadata)
        declared = JOB if owner is not None and owner.kind == "Job" else FOR_EVER
    own = {key[len(PREFIX) :]: text for key, text in pod.metadata.annotations.items() if key.startswith(PREFIX)}
    return _changed(declared, own, "annotation podling.dev/") if own else declared


def _rule(stage: Any, where: str) -> Rule:
    if not isinstance(stage, Mapping):
        raise BadStages(f"{where}: a mapping is wanted")
    when = stage.get("when") or {}
    if unknown := set(when) - {"labels", "namespace", "owner", "node"}:
        raise BadStages(f"{where}.when: unknown: {', '.join(sorted(unknown))}")
    life = _changed(Life(), {key: value for key, value in stage.items() if key not in ("when", "name")}, f"{where}.")
    return Rule(
        life,
        str(when.get("namespace") or ""),
        str(when.get("owner") or ""),
        _texts(when.get("labels"), f"{where}.when.labels"),
        _texts(when.get("node"), f"{where}.when.node"),
    )


def _texts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value or {}, Mapping):
        raise BadStages(f"{where}: a mapping is wanted")
    return {str(key): str(text) for key, text in (value or {}).items()}


def _changed(life: Life, declared: Mapping[str, Any], where: str) -> Life:
    changes: dict[str, Any] = {}
    for key, value in declared.items():
        try:
            changes |= _change(key, value)
        except (ValueError, TypeError) as error:
            raise BadStages(f"{where}{key}: {error}") from error
    return msgspec.structs.replace(life, **changes) if changes else life


def _change(key: str, value: Any) -> dict[str, Any]:
    if key in DURATIONS:
        return {DURATIONS[key]: parse(value)}
    match key:
        case "exit-code":
            return {"exit_code": int(value)}
        case "failure-rate":
            return {"failure_rate": float(value)}
        case "waiting-reason":
            return {"waiting_reason": str(value)}
    raise ValueError("there is no such stage")
