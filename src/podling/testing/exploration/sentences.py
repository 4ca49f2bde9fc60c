"""What users do and what goes wrong, each in a sentence, with what is special about an object behind its name. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from podling.testing.exploration.plan import Change, Create, Delete, Evict, Move, Release, Trouble

Json = dict[str, Any]


def deed(move: Move) -> str:
    match move:
        case Create():
            what, said = f"{move.body['kind']} {_where(move.namespace)}{move.name}", ", ".join(_about(move.body))
            belonging = f" that belongs to {move.owner}" if move.owner else ""
            return f"the user creates {what}{belonging}" + (f": {said}" if said else "")
        case Change():
            what = f"{_kind(move)} {_where(move.namespace)}{move.name}"
            return f"the user changes {what}: {_changes(move.spec)}"
        case Delete():
            how = {"Foreground": " and waits for what it owns", "Orphan": " and leaves what it owns"}
            what = f"{_kind(move)} {_where(move.namespace)}{move.name}"
            return f"the user deletes {what}{how.get(move.propagation, '')}"
        case Release():
            return f"the user takes the finalizer {move.finalizer} from {_kind(move)} {move.name}"
        case Evict():
            return f"the user evicts a Pod of {move.app}"
        case Trouble():
            return _TROUBLES[move.what](move)


def _kind(move: Change | Delete | Release) -> str:
    return move.resource.plural.removesuffix("s")


def _where(namespace: str) -> str:
    return f"{namespace}/" if namespace not in ("", "default") else ""


_TROUBLES: dict[str, Callable[[Trouble], str]] = {
    "silence": lambda move: f"TROUBLE: {move.target} falls silent for {move.seconds:g} s",
    "crash": lambda move: f"TROUBLE: {move.target} crashed right after a write and stays away for {move.seconds:g} s",
    "remove": lambda move: f"TROUBLE: {move.target} is taken out of the cluster for {move.seconds:g} s",
    "taint": lambda move: f"TROUBLE: {move.target} gets a taint that keeps new Pods away, for {move.seconds:g} s",
    "expel": lambda move: f"TROUBLE: {move.target} gets a taint that sends all Pods away, for {move.seconds:g} s",
    "drain": lambda move: f"TROUBLE: {move.target} is cordoned and its Pods are evicted, for {move.seconds:g} s",
    "cordon": lambda move: f"TROUBLE: {move.target} is cordoned for {move.seconds:g} s",
    "server": lambda move: f"TROUBLE: the API server is gone for {move.seconds:g} s",
    "jump": lambda move: (
        f"TROUBLE: the clock is set {'forward' if move.seconds > 0 else 'back'} by {abs(move.seconds):g} s"
    ),
}


def _changes(spec: Json) -> str:
    said = [f"{name} {_value(value)}" for name, value in spec.items() if name != "template"]
    return ", ".join([*said, *_template(spec.get("template") or {})])


def _value(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _about(body: Json) -> Iterator[str]:
    spec = body.get("spec") or {}
    if "replicas" in spec:
        yield f"{spec['replicas']} replica" + ("s" if spec["replicas"] != 1 else "")
    if "completions" in spec:
        mode = "one for each index" if spec["completionMode"] == "Indexed" else "any"
        yield f"{spec['completions']} completions ({mode}), {spec['parallelism']} at a time"
    for name in ("podManagementPolicy", "minReadySeconds", "schedule", "concurrencyPolicy", "minAvailable"):
        if spec.get(name):
            yield f"{name} {spec[name]}"
    yield from _strategy(spec.get("strategy") or spec.get("updateStrategy") or {})
    if "hard" in spec:
        yield f"at most {spec['hard']['pods']} Pods"
    if "maxReplicas" in spec:
        yield f"{spec['minReplicas']} to {spec['maxReplicas']} replicas of {spec['scaleTargetRef']['name']}"
    if "value" in body:
        yield f"value {body['value']}"
    if "finalizers" in body["metadata"]:
        yield f"held by the finalizer {body['metadata']['finalizers'][0]}"
    if "volumeClaimTemplates" in spec:
        yield "a volume of its own for each Pod"
    job = spec.get("jobTemplate", {}).get("spec", {})
    yield from _template(spec.get("template") or job.get("template") or {})


def _strategy(strategy: Json) -> Iterator[str]:
    if "type" in strategy:
        yield str(strategy["type"])
    yield from (f"{name} {value}" for name, value in (strategy.get("rollingUpdate") or {}).items())


def _template(template: Json) -> Iterator[str]:
    spec = template.get("spec") or {}
    for container in spec.get("containers") or ():
        asked = container.get("resources", {}).get("requests", {}).get("cpu")
        yield f"image {container['image']}" + (f" that asks for {asked} CPU" if asked else "")
    if "priorityClassName" in spec:
        yield f"priority {spec['priorityClassName']}"
    if used := template.get("metadata", {}).get("annotations", {}).get("podling.dev/simulated-cpu"):
        yield f"each Pod uses {used} CPU"
