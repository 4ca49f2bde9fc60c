"""Acting as another user: `kubectl --as` (Kubernetes documentation, "User impersonation").

Who may do everything may also do it as somebody else; RBAC will ask for the verb `impersonate` here.
"""

from __future__ import annotations

from urllib.parse import unquote

from podling.api.errors import BadRequest
from podling.apiserver.filters.authentication import AUTHENTICATED
from podling.apiserver.filters.authorization import UNAUTHENTICATED, refusal
from podling.apiserver.message import ANONYMOUS, Request, User
from podling.apiserver.routing import Target

_USER, _GROUP, _UID, _EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"


class Impersonation:
    def enter(self, request: Request) -> None:
        headers = request.headers
        if _USER not in headers:
            if any(name in headers for name in (_GROUP, _UID)):
                raise BadRequest("requested groups or uid without impersonating a user")
            return
        name = headers[_USER]
        if UNAUTHENTICATED in request.user.groups:
            raise refusal(request.user, Target("impersonate", "", "v1", "users", name=name), "", "")
        groups = tuple(filter(None, (each.strip() for each in headers.get(_GROUP, "").split(","))))
        extra = {
            unquote(key.removeprefix(_EXTRA)): (value,) for key, value in headers.items() if key.startswith(_EXTRA)
        }
        request.user = User(name, _groups(name, groups), headers.get(_UID, ""), extra)


def _groups(name: str, given: tuple[str, ...]) -> tuple[str, ...]:
    """What upstream adds: a service account's groups where none are given, and that the user is authenticated."""
    if name == ANONYMOUS.name:
        return (*given, UNAUTHENTICATED)
    prefix, _, rest = name.partition("system:serviceaccount:")
    if not given and not prefix and rest.count(":") == 1:
        given = ("system:serviceaccounts", f"system:serviceaccounts:{rest.partition(':')[0]}")
    return given if AUTHENTICATED in given else (*given, AUTHENTICATED)
