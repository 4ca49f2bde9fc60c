"""PodSecurity: a namespace's labels say which standard its Pods must meet, and which ones are warned about.

Workloads that make Pods are let in and warned of, for they can still be repaired; so are Pods that are there when a
namespace becomes stricter (Kubernetes documentation, "Pod Security Admission").
"""

from __future__ import annotations

from typing import Any

from podling.api.errors import forbidden, invalid
from podling.api.objects import key_of, prefix_of
from podling.api.podsecurity.evaluate import violations
from podling.api.podsecurity.levels import PREFIX, Policy, Standard, label_errors, policy_of, tightens
from podling.api.podsecurity.words import Finding
from podling.apiserver.admission.attempt import Attempt
from podling.env import Env
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
MOST_PODS = 3000
PODS_AT_ONCE = 32
_TEMPLATES = {
    ("", "PodTemplate"): ("template",),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}


class PodSecurity:
    subresources = True
    operations = ("CREATE", "UPDATE")
    kinds = (("", "Pod"), ("", "Namespace"), *_TEMPLATES)

    def __init__(self, env: Env, cache: WatchCache) -> None:
        self._env, self._cache = env, cache

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden, for namespaces Invalid; gives Warnings."""
        kind = attempt.served.kind.kind
        if kind == "Namespace":
            await self._namespace(attempt)
        elif (policy := self._policy(attempt.namespace)) is None:
            return
        elif kind == "Pod":
            if _significant(attempt):
                attempt.request.note(f"{PREFIX}enforce-policy", str(policy.enforce))
                _pod(attempt, policy)
        elif not attempt.subresource:
            _template(attempt, policy)

    def _policy(self, namespace: str) -> Policy | None:
        """None where the namespace has no label of ours."""
        found = self._cache.get(key_of("", "namespaces", "", namespace))
        if found is None or not any(label.startswith(PREFIX) for label in found.head.labels):
            return None
        return policy_of(found.head.labels)

    async def _namespace(self, attempt: Attempt) -> None:
        if attempt.subresource:
            return
        labels = attempt.obj["metadata"].get("labels") or {}
        before = ((attempt.old or {}).get("metadata") or {}).get("labels") or {}
        wrong = label_errors(labels)
        if wrong and (attempt.old is None or wrong != label_errors(before)):
            raise invalid("Namespace", attempt.obj["metadata"].get("name", ""), wrong)
        if attempt.old is None:
            return
        standard = policy_of(labels).enforce
        if tightens(standard, policy_of(before).enforce):
            await self._warn_of_pods(attempt, attempt.obj["metadata"]["name"], standard)

    async def _warn_of_pods(self, attempt: Attempt, namespace: str, standard: Standard) -> None:
        """In slices: there may be thousands of Pods."""
        pods = self._cache.list(prefix_of("", "pods", namespace))
        bad: dict[str, list[str]] = {}
        for index, pod in enumerate(pods[:MOST_PODS], 1):
            body = pod.json()
            if found := violations(standard, body["metadata"], body.get("spec") or {}):
                bad.setdefault(", ".join(each.reason for each in found), []).append(pod.head.name)
            if index % PODS_AT_ONCE == 0:
                await self._env.sleep(0)
        if len(pods) > MOST_PODS:
            attempt.request.warn(
                f"new PodSecurity enforce level only checked against the first {MOST_PODS} of {len(pods)} existing pods"
            )
        if bad:
            attempt.request.warn(
                f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"'
            )
            for line in sorted(f"{_others(names)}: {reasons}" for reasons, names in bad.items()):
                attempt.request.warn(line)


def _others(names: list[str]) -> str:
    more = len(names) - 1
    if not more:
        return names[0]
    return f"{names[0]} (and {more} other {'pod' if more == 1 else 'pods'})"


def _significant(attempt: Attempt) -> bool:
    """Of a Pod that is there only its ephemeral containers and some annotations can change what matters here."""
    if attempt.operation == "CREATE":
        return not attempt.subresource
    if attempt.subresource not in ("", "ephemeralcontainers") or attempt.old is None:
        return False
    return _matters(attempt.obj) != _matters(attempt.old)


def _matters(pod: Json) -> tuple[Any, ...]:
    annotations = pod["metadata"].get("annotations") or {}
    security = {key: value for key, value in annotations.items() if "security." in key}
    return (pod.get("spec") or {}).get("ephemeralContainers") or [], security


def _pod(attempt: Attempt, policy: Policy) -> None:
    metadata, spec = attempt.obj["metadata"], attempt.obj.get("spec") or {}
    _note(attempt, policy, metadata, spec)
    if found := violations(policy.enforce, metadata, spec):
        why = f'violates PodSecurity "{policy.enforce}": {_said(found)}'
        raise forbidden("pods", metadata.get("name", ""), why)
    _warn(attempt, policy, metadata, spec)


def _template(attempt: Attempt, policy: Policy) -> None:
    template: Any = attempt.obj
    for step in _TEMPLATES[attempt.served.kind.group, attempt.served.kind.kind]:
        template = (template or {}).get(step)
    if template:
        _note(attempt, policy, template.get("metadata") or {}, template.get("spec") or {})
        _warn(attempt, policy, template.get("metadata") or {}, template.get("spec") or {})


def _warn(attempt: Attempt, policy: Policy, metadata: Json, spec: Json) -> None:
    if found := violations(policy.warn, metadata, spec):
        attempt.request.warn(f'would violate PodSecurity "{policy.warn}": {_said(found)}')


def _note(attempt: Attempt, policy: Policy, metadata: Json, spec: Json) -> None:
    """For the audit log, where there is one."""
    if attempt.request.notes is not None and (found := violations(policy.audit, metadata, spec)):
        attempt.request.note(f"{PREFIX}audit-violations", f'would violate PodSecurity "{policy.audit}": {_said(found)}')


def _said(found: list[Finding]) -> str:
    return ", ".join(str(each) for each in found)
