"""A Job's podFailurePolicy: the first rule that a failed Pod matches says what its failure means."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podling.api.kinds.batch.job import (
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
)
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.podstatus import ContainerStatus


class Verdict(msgspec.Struct, frozen=True):
    """`action` is FailJob, FailIndex, Ignore or Count."""

    action: str
    message: str = ""


def judge(policy: PodFailurePolicy | None, pod: Pod) -> Verdict:
    """Count where there is no policy or no rule matches, or while the Pod has not failed to the end."""
    if policy is None or pod.status.phase != "Failed":
        return Verdict("Count")
    for index, rule in enumerate(policy.rules):
        why = _why(rule, pod)
        if why:
            return Verdict(rule.action, f"{why} matching {rule.action} rule at index {index}")
    return Verdict("Count")


def _why(rule: PodFailurePolicyRule, pod: Pod) -> str:
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    if rule.on_exit_codes is not None:
        statuses = (*pod.status.container_statuses, *pod.status.init_container_statuses)
        container = _by_exit_code(rule.on_exit_codes, statuses)
        if container is None or container.state.terminated is None:
            return ""
        code = container.state.terminated.exit_code
        return f"Container {container.name} for pod {name} failed with exit code {code}"
    matched = _by_condition(rule.on_pod_conditions, pod)
    return f"Pod {name} has condition {matched}" if matched else ""


def _by_exit_code(
    wanted: PodFailurePolicyOnExitCodesRequirement, statuses: Iterable[ContainerStatus]
) -> ContainerStatus | None:
    for each in statuses:
        ended = each.state.terminated
        if ended is None or not ended.exit_code or wanted.container_name not in (None, each.name):
            continue
        if (ended.exit_code in wanted.values) == (wanted.operator == "In"):
            return each
    return None


def _by_condition(patterns: Iterable[PodFailurePolicyOnPodConditionsPattern], pod: Pod) -> str:
    held = {(each.type, each.status) for each in pod.status.conditions}
    return next((each.type for each in patterns if (each.type, each.status or "True") in held), "")
