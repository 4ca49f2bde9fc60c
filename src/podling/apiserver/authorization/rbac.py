"""Role-based access control: the authorizer over roles and bindings.

An answer is worked out once for a user, verb, resource and namespace, for all names at once, and remembered until a
role or binding changes; a decision then costs one look-up.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podling.api.kinds.rbac.views import PolicyRule
from podling.apiserver.authorization.grants import Grant, Grants
from podling.apiserver.authorization.question import Decision, Question, Rights
from podling.apiserver.authorization.rules import allows, concerns
from podling.apiserver.message import User

REMEMBERED = 16384


class _Answer(msgspec.Struct, frozen=True):
    """For the names with a rule of their own, and for every other."""

    named: dict[str, Decision]
    other: Decision


class Rbac:
    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        self._revision = -1
        self._answers: dict[tuple[str, ...] | tuple[object, ...], _Answer] = {}

    def decide(self, question: Question) -> Decision:
        if self._revision != self._grants.revision or len(self._answers) > REMEMBERED:
            self._answers.clear()
            self._revision = self._grants.revision
        user = question.user
        key = (
            user.name,
            user.groups,
            question.verb,
            question.group,
            question.resource,
            question.subresource,
            question.namespace,
            question.path,
        )
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._answer(question)
        return answer.named.get(question.name, answer.other) if answer.named else answer.other

    def rights(self, user: User, namespace: str) -> Rights:
        errors: dict[str, None] = {}
        rules = tuple(rule for _, rule in self._rules(user, namespace, errors))
        return Rights(rules, tuple(errors))

    def _answer(self, question: Question) -> _Answer:
        errors: dict[str, None] = {}
        named: dict[str, Decision] = {}
        for grant, rule in self._rules(question.user, question.namespace, errors):
            if question.path:
                if allows(rule, question):
                    return _Answer({}, _yes(grant))
            elif concerns(rule, question):
                if not rule.resource_names:
                    return _Answer(named, _yes(grant))
                for name in rule.resource_names:
                    named.setdefault(name, _yes(grant))
        return _Answer(named, Decision(False, f"RBAC: {together(errors)}" if errors else ""))

    def _rules(self, user: User, namespace: str, errors: dict[str, None]) -> Iterator[tuple[Grant, PolicyRule]]:
        for grant in self._grants.of(user, namespace):
            rules = self._grants.rules(grant.role_key)
            if rules is None:
                reference = grant.binding.role_ref
                errors[f'{reference.kind.lower()}.rbac.authorization.k8s.io "{reference.name}" not found'] = None
                continue
            for rule in rules:
                yield grant, rule


def together(errors: dict[str, None] | tuple[str, ...]) -> str:
    """Several errors as upstream says them in one."""
    texts = list(errors)
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _yes(grant: Grant) -> Decision:
    return Decision(True, f"RBAC: allowed by {grant.why()}")
