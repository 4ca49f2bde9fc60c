"""Whoever writes a policy with parameters has to be allowed to read them: its expressions could tell what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api.errors import Invalid, invalid
from podling.api.kinds.causes import forbidden
from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.authorization.question import MASTERS, Authorizer, Question
from podling.apiserver.policies.params import Params
from podling.apiserver.webhooks.matching import GROUP
from podling.storage.watchcache import WatchCache

POLICIES = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
}
"""The resource of each kind; a binding's kind is the policy's and `Binding`."""


class ParamRights:
    operations = ("CREATE", "UPDATE")
    kinds = tuple((GROUP, f"{kind}{suffix}") for kind in POLICIES for suffix in ("", "Binding"))

    def __init__(self, cache: WatchCache, authorizer: Authorizer, params: Params) -> None:
        self._cache, self._authorizer, self._params = cache, authorizer, params

    async def validate(self, attempt: Attempt) -> None:
        """Raises Invalid, as upstream's strategies do."""
        if MASTERS in attempt.request.user.groups:
            return
        kind = attempt.served.entry.kind
        spec, old = attempt.obj.get("spec") or {}, (attempt.old or {}).get("spec") or {}
        if kind in POLICIES:
            if spec.get("paramKind") and spec["paramKind"] != old.get("paramKind"):
                self._policy(attempt, spec["paramKind"])
        elif spec.get("paramRef") and (spec["paramRef"], spec["policyName"]) != (
            old.get("paramRef"),
            old.get("policyName"),
        ):
            self._binding(attempt, POLICIES[kind.removesuffix("Binding")], spec)

    def _policy(self, attempt: Attempt, kind: Mapping[str, str]) -> None:
        if not self._may(attempt, "get", kind, "*", "*"):
            user = attempt.request.user.name
            referred = f"(kind={kind.get('kind', '')}, apiVersion={kind.get('apiVersion', '')})"
            why = f'user {user} must have "get" permission on all objects of the referenced paramKind {referred}'
            raise _refused(attempt, "spec.paramKind", why)

    def _binding(self, attempt: Attempt, plural: str, spec: Mapping[str, Any]) -> None:
        ref = spec["paramRef"]
        policy = self._cache.get(key_of(GROUP, plural, "", spec.get("policyName", "")))
        kind = (policy.json().get("spec") or {}).get("paramKind") if policy is not None else None
        name, namespace = ref.get("name") or "*", ref.get("namespace") or "*"
        verb = "list" if ref.get("selector") is not None else "get"
        if not self._may(attempt, verb, kind or {"apiVersion": "*/*", "kind": "*"}, namespace, name):
            user = attempt.request.user.name
            why = f'user {user} does not have "{verb}" permission on the object referenced by paramRef'
            raise _refused(attempt, "spec.paramRef", why)

    def _may(self, attempt: Attempt, verb: str, kind: Mapping[str, str], namespace: str, name: str) -> bool:
        group = kind.get("apiVersion", "").rpartition("/")[0]
        served = self._params.served(kind)
        resource = served.entry.plural if served is not None else "*"
        question = Question(attempt.request.user, verb, group, resource, "", namespace, name)
        return self._authorizer.decide(question).allowed


def _refused(attempt: Attempt, path: str, why: str) -> Invalid:
    entry = attempt.served.entry
    return invalid(entry.kind, attempt.obj["metadata"].get("name", ""), [forbidden(path, why)], entry.group)
