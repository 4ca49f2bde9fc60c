"""Reviews: questions to the authenticator and the authorizer, answered and not kept.

They pass webhooks and policies as other new objects do; of our own plugins none has anything to say about them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from podling.api.errors import BadRequest, Invalid, NotAcceptable, invalid
from podling.api.kinds.causes import invalid as invalid_value
from podling.api.kinds.rbac.views import written
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.authorization.question import Question
from podling.apiserver.authorization.rbac import together
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.endpoints.body import place, read_object
from podling.apiserver.endpoints.negotiation import media_types
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.message import Outcome, Request, Response, User
from podling.apiserver.registry.served import Served
from podling.env import rfc3339

Json = dict[str, Any]
Answer = Callable[[Backend, Request, Served, Json], Response]


def _review(answer: Answer) -> Endpoint:
    def endpoint(backend: Backend, request: Request) -> Outcome | Awaitable[Outcome]:
        served, body = _read(backend, request)
        if backend.admission.asks_others:
            return _admitted(backend, request, served, body, answer)
        return answer(backend, request, served, body)

    return endpoint


async def _admitted(backend: Backend, request: Request, served: Served, body: Json, answer: Answer) -> Response:
    """Raises what webhooks and policies raise."""
    namespace = body["metadata"].get("namespace", "")
    attempt = Attempt("CREATE", served, namespace, body, None, request, dry=dry_run(request))
    await backend.admission.admit(attempt)
    await backend.admission.validate(attempt)
    return answer(backend, request, served, attempt.obj)


def _read(backend: Backend, request: Request) -> tuple[Served, Json]:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    accept = request.headers.get("accept", "")
    if "as=" in accept and all("as" in each.params for each in media_types(accept)):
        raise NotAcceptable(f"the resource {served.entry.plural} does not support being converted to a Table")
    body = read_object(backend, request, served)
    place(body, served, target.namespace, "")
    body["metadata"].setdefault("creationTimestamp", rfc3339(backend.env.now()))
    return served, served.entry.to_hub(body)


def _answered(served: Served, body: Json, status: Json) -> Response:
    return Response(201, orjson.dumps(served.entry.from_hub({**body, "status": status})))


def _self_subject_review(backend: Backend, request: Request, served: Served, body: Json) -> Response:
    return _answered(served, body, {"userInfo": _user_info(request.user)})


def _self_access(backend: Backend, request: Request, served: Served, body: Json) -> Response:
    return _answered(served, body, _decision(backend, request.user, body))


def _access(backend: Backend, request: Request, served: Served, body: Json) -> Response:
    """SubjectAccessReview and LocalSubjectAccessReview."""
    spec = body.get("spec") or {}
    if not (spec.get("user") or spec.get("groups")):
        raise _refused(body, "spec.user", "", "at least one of user or group must be specified")
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    user = User(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra)
    return _answered(served, body, _decision(backend, user, body))


def _self_rules(backend: Backend, request: Request, served: Served, body: Json) -> Response:
    namespace = (body.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise BadRequest("no namespace on request")
    rights = backend.authorizer.rights(request.user, namespace)
    rules = written(rights.rules)
    status: Json = {
        "resourceRules": [rule for rule in rules if "nonResourceURLs" not in rule],
        "nonResourceRules": [rule for rule in rules if "nonResourceURLs" in rule],
        "incomplete": bool(rights.errors),
    }
    if rights.errors:
        status["evaluationError"] = together(rights.errors)
    return _answered(served, body, status)


def _token_review(backend: Backend, request: Request, served: Served, body: Json) -> Response:
    spec = body.get("spec") or {}
    audiences = tuple(spec.get("audiences") or ())
    token = spec.get("token", "")
    if not token:
        raise BadRequest("token is required for TokenReview in authentication")
    found = backend.token_reader.review(token, audiences)
    if found is None:
        return _answered(served, body, {"authenticated": False, "error": "invalid bearer token"})
    user, said = found
    return _answered(served, body, {"authenticated": True, "user": _user_info(user), "audiences": list(said)})


def _decision(backend: Backend, user: User, body: Json) -> Json:
    decision = backend.authorizer.decide(_question(user, body))
    status: Json = {"allowed": decision.allowed}
    return status | {"reason": decision.reason} if decision.reason else status


def _question(user: User, body: Json) -> Question:
    """What a review asks. Raises Invalid, BadRequest."""
    spec = body.get("spec") or {}
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (other is None):
        what = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        if resource is not None:
            what = "cannot be specified in combination with resourceAttributes"
            raise _refused(body, "spec.nonResourceAttributes", other, what)
        raise _refused(body, "spec.resourceAttributes", resource, what)
    if other is not None:
        return Question(user, other.get("verb", ""), path=other.get("path") or "/")
    assert resource is not None
    namespace, scope = resource.get("namespace", ""), body["metadata"].get("namespace", "")
    if body["kind"] == "LocalSubjectAccessReview" and namespace != scope:
        raise _refused(body, "spec.resourceAttributes.namespace", namespace, "must match metadata.namespace")
    return Question(
        user,
        resource.get("verb", ""),
        resource.get("group", ""),
        resource.get("resource", ""),
        resource.get("subresource", ""),
        namespace,
        resource.get("name", ""),
        "",
        _selector(resource.get("fieldSelector") or {}),
    )


def _selector(given: Json) -> str:
    """The equalities of a field selector, as a query writes them."""
    if raw := given.get("rawSelector"):
        return str(raw)
    demands = [each for each in given.get("requirements") or () if each.get("operator") == "In"]
    return ",".join(f"{each['key']}={each['values'][0]}" for each in demands if len(each.get("values") or ()) == 1)


def _refused(body: Json, path: str, value: Any, why: str) -> Invalid:
    return invalid(body["kind"], "", [invalid_value(path, value, why)], "authorization.k8s.io")


def _user_info(user: User) -> Json:
    info: Json = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


REVIEWS: Mapping[str, Endpoint] = {
    "selfsubjectreviews": _review(_self_subject_review),
    "selfsubjectaccessreviews": _review(_self_access),
    "subjectaccessreviews": _review(_access),
    "localsubjectaccessreviews": _review(_access),
    "selfsubjectrulesreviews": _review(_self_rules),
    "tokenreviews": _review(_token_review),
}
