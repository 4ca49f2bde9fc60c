"""One audit event, as audit.k8s.io/v1 Event: what is told of a request at one stage."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import orjson
import yaml

from podling.api.schema import Schemas
from podling.api.schema.protobuf import decode_protobuf, is_protobuf
from podling.apiserver.audit.policy import API_VERSION, LEVELS, Telling
from podling.apiserver.endpoints.body import Loader
from podling.apiserver.message import Request, Response, User
from podling.apiserver.routing import Target
from podling.env import rfc3339_micro

Json = dict[str, Any]
Read = Callable[[bytes], Any]


def event(request: Request, telling: Telling, stage: str, user: User, received: float, now: float) -> Json:
    """What every event says."""
    told: Json = {
        "kind": "Event",
        "apiVersion": API_VERSION,
        "level": LEVELS[telling.level],
        "auditID": request.audit_id,
        "stage": stage,
        "requestURI": request.raw_target,
        "verb": verb_of(request),
        "user": user_info(user),
    }
    if request.user != user:
        told["impersonatedUser"] = user_info(request.user)
    told["sourceIPs"] = _sources(request)
    if agent := request.header("user-agent"):
        told["userAgent"] = agent
    if request.target is not None:
        told["objectRef"] = _reference(request.target)
    return told | {"requestReceivedTimestamp": rfc3339_micro(received), "stageTimestamp": rfc3339_micro(now)}


def verb_of(request: Request) -> str:
    return request.method.lower() if request.target is None else request.target.verb


def user_info(user: User) -> Json:
    told: Json = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    told["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {key: value for key, value in told.items() if value}


def _sources(request: Request) -> list[str]:
    forwarded = [each.strip() for each in request.header("x-forwarded-for").split(",") if each.strip()]
    return [*forwarded, request.peer or "127.0.0.1"]


def _reference(target: Target) -> Json:
    told = {"resource": target.plural, "namespace": target.namespace, "name": target.name, "apiGroup": target.group}
    told |= {"apiVersion": target.version, "subresource": target.subresource}
    return {key: value for key, value in told.items() if value}


def add_request(told: Json, request: Request, telling: Telling, schemas: Schemas) -> None:
    """The object that was sent: where its name is told by nothing else, and all of it from level Request on."""
    if not request.body or (telling.level < 2 and request.method != "POST"):
        return
    sent = content(request.body, request.header("content-type"), "", schemas)
    if not isinstance(sent, dict):
        return
    metadata, reference = sent.get("metadata"), told.get("objectRef")
    if isinstance(metadata, dict) and reference is not None:
        for key in ("name", "namespace", "uid", "resourceVersion"):
            if metadata.get(key):
                reference.setdefault(key, metadata[key])
    if telling.level >= 2:
        told["requestObject"] = sent if telling.managed_fields else without_managed_fields(sent)


def add_response(told: Json, response: Response, telling: Telling, schemas: Schemas) -> None:
    """How it ended; the object that was answered at level RequestResponse."""
    told["responseStatus"] = {"metadata": {}, "code": response.status}
    if telling.level < 3 and response.status < 400:
        return
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    encoding = next((value for name, value in response.headers if name.lower() == "content-encoding"), "")
    said = content(body, response.content_type, encoding, schemas)
    if not isinstance(said, dict):
        return
    if said.get("kind") == "Status":
        kept = ("status", "message", "reason", "details", "code")
        told["responseStatus"] |= {key: said[key] for key in kept if said.get(key)}
    if telling.level >= 3:
        told["responseObject"] = said if telling.managed_fields else without_managed_fields(said)


def content(body: bytes, media: str, encoding: str, schemas: Schemas) -> Any:
    """A body as JSON; None for one that is nothing of the kind."""
    try:
        if encoding == "gzip":
            body = gzip.decompress(body)
        if is_protobuf(body):
            api_version, kind, obj = decode_protobuf(body, schemas)
            return {"apiVersion": api_version, "kind": kind, **obj}
        return yaml.load(body, Loader) if "yaml" in media else orjson.loads(body)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zlib.error, yaml.YAMLError):
        # What makes no sense is refused by somebody else; here it is not told.
        return None


def without_managed_fields(obj: Json) -> Json:
    """The object, or the list's objects, without metadata.managedFields."""
    kept = dict(obj)
    if isinstance(metadata := kept.get("metadata"), dict) and "managedFields" in metadata:
        kept["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
    if isinstance(items := kept.get("items"), list):
        kept["items"] = [without_managed_fields(each) if isinstance(each, dict) else each for each in items]
    return kept
