"""The Pods of a Job: how they are made, which index they work on, how often it failed, and when to try again.

Everything is read from the Pods themselves (documentation "Jobs"): the index and the count of earlier failures are
annotations, and a finished Pod keeps a finalizer until it is counted, so that none is ever lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.kinds.core.pod import Pod
from podling.api.objects import Object
from podling.client.resources import PODS
from podling.reconcile import pods, templates
from podling.reconcile.action import Create, Patch, Tell, reference

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
FIRST_DELAY, LONGEST_DELAY = 10.0, 600.0


def is_tracked(found: Object) -> bool:
    return TRACKING in found.view.metadata.finalizers


def index_of(found: Object) -> int | None:
    text = found.view.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdigit() else None


def failures_before(found: Object) -> int:
    """Of the same index, as the Pod was told at its creation."""
    text = found.view.metadata.annotations.get(FAILURES, "")
    return int(text) if text.isdigit() else 0


def finished_at(found: Object, now: float) -> float:
    """When its last container ended, else when it was deleted."""
    pod: Pod = found.view
    ends = [each.state.terminated.finished_at for each in pod.status.container_statuses if each.state.terminated]
    times = [pods.seconds(end, 0.0) for end in ends if end]
    if times:
        return max(times)
    ready = pods.condition(pod, "Ready")
    since = ready.last_transition_time if ready is not None else None
    return pods.seconds(pod.metadata.deletion_timestamp or since, now)


def delay(failures: int) -> float:
    """Seconds between the last of so many failures and the next try."""
    return min(FIRST_DELAY * 2.0 ** min(failures - 1, 10), LONGEST_DELAY) if failures else 0.0


def wait_after(ended: Iterable[Object], now: float) -> float:
    """Seconds until the next Pod may be made, after what failed since the last success."""
    last_first = sorted(ended, key=lambda each: finished_at(each, now), reverse=True)
    failed: list[Object] = []
    for each in last_first:
        if each.view.status.phase == "Succeeded":
            break
        failed.append(each)
    return max(0.0, finished_at(failed[0], now) + delay(len(failed)) - now) if failed else 0.0


def creation(job: Object, index: int | None = None, failures: int | None = None) -> Create:
    """A new Pod; with an index it gets the annotation, label, environment and hostname that go with it."""
    about, name = reference(job), job.head.name
    template = job.json()["spec"].get("template") or {}
    prefix = f"{name}-" if index is None else f"{name}-{index}-"
    body = templates.pod(job, template, generateName=prefix)
    metadata = body["metadata"]
    metadata["finalizers"] = [*metadata.get("finalizers", ()), TRACKING]
    if index is not None:
        metadata["annotations"] = {**metadata.get("annotations", {}), INDEX: str(index)}
        if failures is not None:
            metadata["annotations"][FAILURES] = str(failures)
        metadata["labels"] = {**metadata.get("labels", {}), INDEX: str(index)}
        body["spec"] = _indexed(body["spec"], name, index)
    return Create(
        PODS,
        job.head.namespace,
        body,
        done=Tell(about, "Normal", "SuccessfulCreate", "Created pod: {name}"),
        failed=Tell(about, "Warning", "FailedCreate", "Error creating: {error}"),
    )


def release(found: Object) -> Patch:
    body = {"metadata": {"uid": found.head.uid, "$deleteFromPrimitiveList/finalizers": [TRACKING]}}
    return Patch(PODS, found.head.namespace, found.head.name, body, kind="strategic-merge")


def track(found: Object) -> Patch:
    body = {"metadata": {"uid": found.head.uid, "finalizers": [TRACKING]}}
    return Patch(PODS, found.head.namespace, found.head.name, body, kind="strategic-merge")


def _indexed(spec: dict[str, Any], name: str, index: int) -> dict[str, Any]:
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    told = {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}
    out = {"hostname": f"{name}-{index}"[:63].rstrip("-"), **spec}
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            out[kind] = [{**each, "env": _with(each.get("env") or [], told)} for each in spec[kind]]
    return out


def _with(env: list[dict[str, Any]], told: dict[str, Any]) -> list[dict[str, Any]]:
    return env if any(each["name"] == told["name"] for each in env) else [*env, told]
