"""POST of a TokenRequest: a token for a service account, bound to what it is for (KEP-1205)."""

from __future__ import annotations

from typing import Any

import orjson

from podling.api.errors import BadRequest, Conflict, ServiceUnavailable, invalid, not_found
from podling.api.kinds.causes import invalid as invalid_value
from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.admission.noderestriction import check_token
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.body import read
from podling.apiserver.endpoints.get import find
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.message import Request, Response
from podling.env import rfc3339

Json = dict[str, Any]

POD_SECONDS = 3607
"""What every Pod's own volume asks for, and nobody else: such a token may be used longer than is told, so that a
container that reads its token once goes on working (upstream's --service-account-extend-token-expiration)."""
DEFAULT_SECONDS, MIN_SECONDS, MAX_SECONDS = 3600, 600, 1 << 32
_BOUND = {"Pod": ("pod", "pods"), "Secret": ("secret", "secrets"), "Node": ("node", "nodes")}


async def token(backend: Backend, request: Request) -> Response:
    """The TokenRequest with its status filled in."""
    target = request.target
    assert target is not None
    if backend.tokens is None:
        raise ServiceUnavailable("this server has no key to sign service account tokens with")
    served = backend.resources.get(target.group, target.version, target.plural)
    account = find(backend, served, target)
    type_ = backend.schemas.kind("authentication.k8s.io", "v1", "TokenRequest")
    body = read(backend, request, type_, "authentication.k8s.io/v1", "TokenRequest")
    attempt = Attempt("CREATE", served, target.namespace, body, None, request, "token", dry_run(request))
    await backend.admission.admit(attempt)
    await backend.admission.validate(attempt)
    spec: Json = body.get("spec") or {}
    seconds = _seconds(spec)
    audiences = list(spec.get("audiences") or backend.config.audiences)
    reference = spec.get("boundObjectRef") or {}
    check_token(backend.cache, request.user, target.namespace, target.name, reference)
    bound = _bound(backend, target.namespace, reference)
    extended = seconds == POD_SECONDS and bool(bound) and audiences == list(backend.config.audiences)
    issued = backend.tokens.issue(
        target.namespace, {"name": target.name, "uid": account.head.uid}, audiences, seconds, bound, extended=extended
    )
    until = backend.env.now() + seconds
    body["metadata"] = {
        "name": target.name,
        "namespace": target.namespace,
        "creationTimestamp": rfc3339(backend.env.now()),
    }
    body["spec"] = {**spec, "audiences": audiences, "expirationSeconds": seconds}
    body["status"] = {"token": issued, "expirationTimestamp": rfc3339(until)}
    return Response(201, orjson.dumps(body))


def _seconds(spec: Json) -> int:
    asked = spec.get("expirationSeconds")
    seconds = DEFAULT_SECONDS if asked is None else int(asked)
    causes = []
    if seconds < MIN_SECONDS:
        causes.append(
            invalid_value("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        )
    if seconds > MAX_SECONDS:
        why = "may not specify a duration larger than 2^32 seconds"
        causes.append(invalid_value("spec.expirationSeconds", seconds, why))
    if causes:
        raise invalid("TokenRequest", "", causes, "authentication.k8s.io")
    return seconds


def _bound(backend: Backend, namespace: str, reference: Json) -> Json:
    """The claims of what the token is bound to. Raises NotFound, Conflict, BadRequest."""
    if not reference:
        return {}
    kind, name, uid = reference.get("kind", ""), reference.get("name", ""), reference.get("uid", "")
    if kind not in _BOUND:
        raise BadRequest(
            f"cannot bind token for serviceaccount to object type {reference.get('apiVersion')}, Kind={kind}"
        )
    claim, plural = _BOUND[kind]
    found = backend.cache.get(key_of("", plural, "" if kind == "Node" else namespace, name))
    if found is None:
        raise not_found(plural, name)
    if uid and uid != found.head.uid:
        raise Conflict(
            f'Operation cannot be fulfilled on {kind} "{name}": the UID in the bound object reference ({uid}) does not '
            f"match the UID in record. The object might have been deleted and then recreated",
            kind=kind,
            name=name,
        )
    claims: Json = {claim: {"name": name, "uid": found.head.uid}}
    node_name = found.head.fields.get("spec.nodeName", "") if kind == "Pod" else ""
    if node_name and (node := backend.cache.get(key_of("", "nodes", "", node_name))) is not None:
        claims["node"] = {"name": node_name, "uid": node.head.uid}
    return claims
