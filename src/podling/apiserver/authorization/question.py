"""What an authorizer is asked, and what it answers.

A question is about a resource, or, where it has a path, about a URL outside of resources (Kubernetes documentation,
"Authorization", request attributes). Authorizers are asked one after the other; the first yes counts, and reasons of
those that did not say yes are told together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from podling.api.kinds.rbac.views import PolicyRule
from podling.apiserver.message import Request, User
from podling.apiserver.routing import Target

MASTERS = "system:masters"


class Question(msgspec.Struct, frozen=True):
    """May `user` do `verb`? `field_selector` is the text of a list's or watch's."""

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""

    @property
    def combined(self) -> str:
        """The resource as rules name it: `pods`, `pods/log`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Decision(msgspec.Struct, frozen=True):
    """`allowed` false means: nobody said yes; `reason` is for people."""

    allowed: bool
    reason: str = ""


class Rights(msgspec.Struct, frozen=True):
    """All rules a user has in a namespace. `errors` say what could not be found out."""

    rules: tuple[PolicyRule, ...] = ()
    errors: tuple[str, ...] = ()


class Authorizer(Protocol):
    def decide(self, question: Question) -> Decision: ...

    def rights(self, user: User, namespace: str) -> Rights:
        """For SelfSubjectRulesReview and the check against escalation."""


class Union:
    """`system:masters` may everything; for the others authorizers are asked in turn."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def decide(self, question: Question) -> Decision:
        if MASTERS in question.user.groups:
            return Decision(True)
        reasons = []
        for authorizer in self._authorizers:
            decision = authorizer.decide(question)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, "\n".join(reasons))

    def rights(self, user: User, namespace: str) -> Rights:
        found = [authorizer.rights(user, namespace) for authorizer in self._authorizers]
        return Rights(
            tuple(rule for each in found for rule in each.rules), tuple(text for each in found for text in each.errors)
        )


def question_of(request: Request) -> Question:
    """What a request asks for."""
    target = request.target
    if target is None:
        return Question(request.user, request.method.lower(), path=request.path)
    selector = request.param("fieldSelector") if target.verb in ("list", "watch", "deletecollection") else ""
    return question_about(request.user, target, selector)


def question_about(user: User, target: Target, field_selector: str = "") -> Question:
    """As upstream's RequestInfo: a namespace lies in itself, and a selection of one name is that name."""
    namespace, name = target.namespace, target.name
    if target.plural == "namespaces" and not target.group and name:
        namespace = name
    if field_selector and not name:
        name = selected(field_selector, "metadata.name")
    return Question(
        user, target.verb, target.group, target.plural, target.subresource, namespace, name, "", field_selector
    )


def selected(field_selector: str, path: str) -> str:
    """The one value that a field selector demands of a field; "" where it demands none."""
    for term in field_selector.split(","):
        field, equals, value = term.partition("=")
        if equals and field.strip() == path:
            return value.removeprefix("=").strip()
    return ""
