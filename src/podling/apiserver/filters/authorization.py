"""Who may: the question of the request goes to the authorizer, and a no comes back in upstream's words."""

from __future__ import annotations

import msgspec

from podling.api.errors import Forbidden
from podling.apiserver.authorization.question import MASTERS, Authorizer, Question, question_of
from podling.apiserver.message import Request

_CONVERSATIONS = ("exec", "attach", "portforward")


class Authorization:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def enter(self, request: Request) -> None:
        if MASTERS in request.user.groups:
            return
        question = question_of(request)
        self.require(question)
        if question.resource == "pods" and question.subresource in _CONVERSATIONS and question.verb == "get":
            # A WebSocket begins with GET; who may only read must not run commands by it.
            self.require(msgspec.structs.replace(question, verb="create"))

    def require(self, question: Question) -> None:
        """Raises Forbidden."""
        decision = self._authorizer.decide(question)
        if not decision.allowed:
            raise refusal(question, decision.reason)


def refusal(question: Question, reason: str = "") -> Forbidden:
    """Upstream's words (apiserver responsewriters.Forbidden)."""
    user, verb, because = question.user.name, question.verb, f": {reason}" if reason else ""
    if question.path:
        return Forbidden(f'forbidden: User "{user}" cannot {verb} path "{question.path}"{because}')
    qualified = f"{question.resource}.{question.group}" if question.group else question.resource
    named = f'{qualified} "{question.name}"' if question.name else qualified
    scope = f'in the namespace "{question.namespace}"' if question.namespace else "at the cluster scope"
    why = f'User "{user}" cannot {verb} resource "{question.combined}" in API group "{question.group}" {scope}{because}'
    return Forbidden(f"{named} is forbidden: {why}", group=question.group, kind=question.resource, name=question.name)
