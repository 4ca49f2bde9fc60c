"""Nobody gives more than he has: roles and bindings are checked against the rights of who writes them.

Who may `escalate` roles, or `bind` the role in question, is exempt (Kubernetes documentation, "Using RBAC", privilege
escalation prevention and bootstrapping).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from podling.api.errors import Forbidden, InternalError, forbidden, not_found
from podling.api.kinds.rbac.views import PolicyRule
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.authorization.grants import GROUP, role_key
from podling.apiserver.authorization.question import MASTERS, Authorizer, Question
from podling.apiserver.authorization.rbac import together
from podling.apiserver.authorization.rules import compact, missing, quoted, text
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
EVERYTHING = (PolicyRule(("*",), ("*",), ("*",)), PolicyRule(("*",), non_resource_urls=("*",)))
_COLLECTED = ("ownerReferences", "finalizers", "managedFields")


class Escalation:
    operations = ("CREATE", "UPDATE")
    kinds = tuple((GROUP, kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"))

    def __init__(self, authorizer: Authorizer, cache: WatchCache) -> None:
        self._authorizer, self._cache = authorizer, cache

    async def admit(self, attempt: Attempt) -> None:
        if MASTERS in attempt.request.user.groups or _only_collected(attempt):
            return
        if attempt.served.kind.kind in ("Role", "ClusterRole"):
            self._role(attempt)
        else:
            self._binding(attempt)

    def _role(self, attempt: Attempt) -> None:
        user, name = attempt.request.user, attempt.obj["metadata"].get("name", "")
        plural = attempt.served.entry.plural
        question = Question(user, "escalate", GROUP, plural, namespace=attempt.namespace, name=name)
        if self._authorizer.decide(question).allowed:
            return
        gathers = attempt.obj.get("aggregationRule") or (attempt.old or {}).get("aggregationRule")
        if gathers and missing(self._authorizer.rights(user, "").rules, EVERYTHING):
            raise _no(attempt, "must have cluster-admin privileges to use an aggregationRule")
        self._confirm(attempt, _rules(attempt.obj))

    def _binding(self, attempt: Attempt) -> None:
        reference = attempt.obj.get("roleRef") or {}
        kind, name = reference.get("kind", ""), reference.get("name", "")
        plural, namespace = ("roles", attempt.namespace) if kind == "Role" else ("clusterroles", attempt.namespace)
        question = Question(attempt.request.user, "bind", GROUP, plural, namespace=namespace, name=name)
        if self._authorizer.decide(question).allowed:
            return
        found = self._cache.get(role_key(kind, name, attempt.namespace))
        if found is None:
            raise not_found(plural, name, GROUP)
        self._confirm(attempt, found.view.rules or ())

    def _confirm(self, attempt: Attempt, wanted: Sequence[PolicyRule]) -> None:
        user = attempt.request.user
        rights = self._authorizer.rights(user, attempt.namespace)
        if not (lacking := missing(rights.rules, wanted)):
            return
        said = "\n".join(sorted({text(rule) for rule in compact(lacking)}))
        errors = f"; resolution errors: [{together(rights.errors)}]" if rights.errors else ""
        raise _no(
            attempt,
            f"user {json.dumps(user.name)} (groups={quoted(user.groups)}) is attempting to grant RBAC permissions not "
            f"currently held:\n{said}{errors}",
        )


def _rules(obj: Json) -> tuple[PolicyRule, ...]:
    try:
        return msgspec.convert(obj.get("rules") or [], tuple[PolicyRule, ...])
    except msgspec.ValidationError as error:  # the schema has checked it before
        raise InternalError(str(error)) from error


def _only_collected(attempt: Attempt) -> bool:
    """Only what garbage collection writes has changed."""
    if attempt.old is None:
        return False
    return _without(attempt.obj) == _without(attempt.old)


def _without(obj: Json) -> Json:
    metadata = {key: value for key, value in obj["metadata"].items() if key not in _COLLECTED}
    return {**obj, "metadata": metadata}


def _no(attempt: Attempt, why: str) -> Forbidden:
    entry = attempt.served.entry
    return forbidden(entry.plural, attempt.obj["metadata"].get("name", ""), why, entry.group)
