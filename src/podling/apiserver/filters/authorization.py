"""Who may: everyone who is authenticated may everything; the anonymous may ask for health and version.

RBAC comes with a later issue and takes the place of `allowed`; the refusals already read as upstream's.
"""

from __future__ import annotations

from podling.api.errors import Forbidden
from podling.apiserver.message import Request, User
from podling.apiserver.routing import Target

UNAUTHENTICATED = "system:unauthenticated"
PUBLIC = ("/livez", "/readyz", "/healthz", "/version")


def allowed(user: User, target: Target | None, path: str) -> bool:
    """The current authorizer's decision, also behind SubjectAccessReview."""
    if UNAUTHENTICATED not in user.groups and user.name != "system:anonymous":
        return True
    return target is None and any(path == each or path.startswith(f"{each}/") for each in PUBLIC)


class Authorization:
    def enter(self, request: Request) -> None:
        if not allowed(request.user, request.target, request.path):
            raise refusal(request.user, request.target, request.method, request.path)


def refusal(user: User, target: Target | None, method: str, path: str) -> Forbidden:
    """Upstream's words (apiserver responsewriters.Forbidden)."""
    if target is None:
        verb = method.lower()
        return Forbidden(f'forbidden: User "{user.name}" cannot {verb} path "{path}"')
    resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    qualified = f"{target.plural}.{target.group}" if target.group else target.plural
    named = f'{qualified} "{target.name}"' if target.name else qualified
    scope = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {target.verb} resource "{resource}" in API group "{target.group}" {scope}'
    return Forbidden(f"{named} is forbidden: {why}", group=target.group, kind=target.plural, name=target.name)
