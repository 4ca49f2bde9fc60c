"""Acting as somebody else: the headers of `kubectl --as`, for whoever may `impersonate`.

Each thing that is put on (user, groups, uid, extra) is asked for by itself, as the one who really asks
(Kubernetes documentation, "User impersonation").
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from podling.api.errors import BadRequest
from podling.apiserver.authorization.question import Authorizer, Question
from podling.apiserver.filters.authorization import refusal
from podling.apiserver.filters.requestheader import SEPARATOR
from podling.apiserver.message import ANONYMOUS, Request, User

USER, GROUPS, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
AUTHENTICATION = "authentication.k8s.io"
_ACCOUNT = "system:serviceaccount:"


class Impersonation:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def enter(self, request: Request) -> None:
        if request.in_process or not _asked(request):
            return
        for question in questions(request):
            decision = self._authorizer.decide(question)
            if not decision.allowed:
                raise refusal(question, decision.reason)
        request.user = impersonated(request)


def _asked(request: Request) -> bool:
    # One search in one text: this is asked of every request.
    return "\nimpersonate-" in "\n".join(("", *request.headers))


def questions(request: Request) -> Iterator[Question]:
    """What the user who asks has to be allowed."""
    user, name = request.user, request.header(USER)
    if not name:
        raise BadRequest("requested impersonation of groups, uid or extra without impersonating a user")
    if account := _account(name):
        yield Question(user, "impersonate", resource="serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield Question(user, "impersonate", resource="users", name=name)
    for group in _values(request, GROUPS):
        yield Question(user, "impersonate", resource="groups", name=group)
    if uid := request.header(UID):
        yield Question(user, "impersonate", AUTHENTICATION, "uids", name=uid)
    for key, values in _extra(request).items():
        for value in values:
            yield Question(user, "impersonate", AUTHENTICATION, "userextras", key, name=value)


def impersonated(request: Request) -> User:
    """Who the request is from now on."""
    name, groups = request.header(USER), tuple(_values(request, GROUPS))
    if (account := _account(name)) and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if name == ANONYMOUS.name:
        groups = tuple(dict.fromkeys((*groups, *ANONYMOUS.groups)))
    elif "system:authenticated" not in groups and "system:unauthenticated" not in groups:
        groups = (*groups, "system:authenticated")
    return User(name, groups, request.header(UID), _extra(request))


def _account(name: str) -> tuple[str, str] | None:
    namespace, colon, account = name.removeprefix(_ACCOUNT).partition(":")
    return (namespace, account) if name.startswith(_ACCOUNT) and colon and namespace and account else None


def _values(request: Request, header: str) -> list[str]:
    return [value for each in request.header(header).split(SEPARATOR) if (value := each.strip())]


def _extra(request: Request) -> dict[str, tuple[str, ...]]:
    keys = [name for name in request.headers if name.startswith(EXTRA)]
    return {unquote(name.removeprefix(EXTRA)).lower(): tuple(_values(request, name)) for name in keys}
