"""Without rules: everyone who is authenticated may everything, the anonymous may ask for health and version."""

from __future__ import annotations

from podling.api.kinds.rbac.views import PolicyRule
from podling.apiserver.authorization.question import Decision, Question, Rights
from podling.apiserver.message import User

UNAUTHENTICATED = "system:unauthenticated"
PUBLIC = ("/livez", "/readyz", "/healthz", "/version")
WHY = "every authenticated user may do everything (--authorization-mode=AlwaysAllow)"
EVERYTHING = (
    PolicyRule(("*",), ("*",), ("*",)),
    PolicyRule(("*",), non_resource_urls=("*",)),
)


class AlwaysAllow:
    def decide(self, question: Question) -> Decision:
        if not _anonymous(question.user):
            return Decision(True, WHY)
        path = question.path
        return Decision(bool(path) and any(path == each or path.startswith(f"{each}/") for each in PUBLIC))

    def rights(self, user: User, namespace: str) -> Rights:
        return Rights() if _anonymous(user) else Rights(EVERYTHING)


def _anonymous(user: User) -> bool:
    return UNAUTHENTICATED in user.groups or user.name == "system:anonymous"
