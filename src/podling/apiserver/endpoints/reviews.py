"""Reviews: questions to the authenticator and the authorizer, answered and not kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.body import place, read_object
from podling.apiserver.filters.authorization import allowed
from podling.apiserver.message import Endpoint, Request, Response, User
from podling.apiserver.registry.served import Served
from podling.apiserver.routing import Target
from podling.env import rfc3339

Json = dict[str, Any]

WHY = "every authenticated user may do everything"


def _read(backend: Backend, request: Request) -> tuple[Served, Json]:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    body = read_object(backend, request, served)
    place(body, served, target.namespace, "")
    body["metadata"].setdefault("creationTimestamp", rfc3339(backend.env.now()))
    return served, body


def _answered(body: Json, status: Json) -> Response:
    return Response(201, orjson.dumps({**body, "status": status}))


def self_subject_review(backend: Backend, request: Request) -> Response:
    _, body = _read(backend, request)
    return _answered(body, {"userInfo": _user_info(request.user)})


def self_access(backend: Backend, request: Request) -> Response:
    _, body = _read(backend, request)
    return _answered(body, _decision(request.user, body.get("spec") or {}))


def access(backend: Backend, request: Request) -> Response:
    """SubjectAccessReview and LocalSubjectAccessReview."""
    _, body = _read(backend, request)
    spec = body.get("spec") or {}
    user = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
    return _answered(body, _decision(user, spec))


def self_rules(backend: Backend, request: Request) -> Response:
    _, body = _read(backend, request)
    everything = allowed(request.user, Target("get", "", "v1", "pods"), "/api/v1/pods")
    resource = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    status: Json = {
        "resourceRules": [resource] if everything else [],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}] if everything else [],
        "incomplete": False,
    }
    return _answered(body, status)


def token_review(backend: Backend, request: Request) -> Response:
    _, body = _read(backend, request)
    spec = body.get("spec") or {}
    audiences = tuple(spec.get("audiences") or ())
    reader = backend.token_reader
    user = reader.authenticate(spec.get("token", ""), audiences) if reader is not None else None
    if user is None:
        return _answered(body, {"authenticated": False, "error": "the token is not valid for this cluster"})
    said = list(audiences or backend.config.audiences)
    return _answered(body, {"authenticated": True, "user": _user_info(user), "audiences": said})


def _decision(user: User, spec: Json) -> Json:
    resource = spec.get("resourceAttributes")
    path = (spec.get("nonResourceAttributes") or {}).get("path", "")
    target = None
    if resource is not None:
        target = Target(
            resource.get("verb", ""),
            resource.get("group", ""),
            resource.get("version", ""),
            resource.get("resource", ""),
            resource.get("namespace", ""),
            resource.get("name", ""),
        )
    return {"allowed": True, "reason": WHY} if allowed(user, target, path) else {"allowed": False}


def _user_info(user: User) -> Json:
    info: Json = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


REVIEWS: Mapping[str, Endpoint] = {
    "selfsubjectreviews": self_subject_review,
    "selfsubjectaccessreviews": self_access,
    "subjectaccessreviews": access,
    "localsubjectaccessreviews": access,
    "selfsubjectrulesreviews": self_rules,
    "tokenreviews": token_review,
}
