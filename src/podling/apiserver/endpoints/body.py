"""Bodies of requests: JSON, YAML or protobuf in, a checked JSON object out.

Fields are checked against the type of the request's version; what is unknown or double is an error or a warning as
`fieldValidation` says, and a wrong type is always an error (Kubernetes API concepts, "Field validation").
"""

from __future__ import annotations

from typing import Any

import orjson
import yaml

from podling.api.errors import BadRequest, UnsupportedMediaType
from podling.api.schema import Type
from podling.api.schema.decode import decode, unrecognized
from podling.api.schema.defaults import apply_defaults
from podling.api.schema.protobuf import decode_protobuf, is_protobuf
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.options import FieldValidation, field_validation
from podling.apiserver.message import Request
from podling.apiserver.registry.served import Served

Json = dict[str, Any]

PROTOBUF = "application/vnd.kubernetes.protobuf"
YAML = ("application/yaml", "application/x-yaml", "text/yaml")
_ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


def read_object(backend: Backend, request: Request, served: Served) -> Json:
    """The body as an object of the served version, with that type's declared defaults. Raises BadRequest."""
    obj = read(backend, request, served.type, served.entry.api_version, served.entry.kind)
    if served.type is not None:
        apply_defaults(obj, served.type)
    return obj


def read(backend: Backend, request: Request, type_: Type | None, api_version: str, kind: str) -> Json:
    """The body as a checked object of `kind`; warnings go to the request."""
    body = _json(backend, request, kind)
    mode: FieldValidation = field_validation(request)
    if type_ is None:
        obj = orjson.loads(body)
    else:
        decoded = decode(body, type_, kind=kind, version=api_version.rpartition("/")[2], mode=mode)
        obj = decoded.value
        for text in decoded.warnings:
            request.warn(text)
    if api_version:
        _check_kind(obj, api_version, kind)
    if not isinstance(obj.get("metadata"), dict):
        obj["metadata"] = {}
    return {"kind": kind, "apiVersion": api_version, **obj}


def place(obj: Json, served: Served, namespace: str, name: str) -> None:
    """Put the object where the request's path says. Raises BadRequest where the two disagree."""
    metadata = obj["metadata"]
    said = metadata.get("namespace") or ""
    if served.entry.namespaced:
        if said and said != namespace:
            raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = namespace
    else:
        # Upstream forgives a namespace where there is none to be in.
        metadata.pop("namespace", None)
    if name:
        given = metadata.get("name") or name
        if given != name:
            raise BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")
        metadata["name"] = name


def _json(backend: Backend, request: Request, wanted: str) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind in ("application/json", ""):
        return request.body
    if kind in YAML:
        return _from_yaml(request.body, wanted)
    if kind == PROTOBUF or is_protobuf(request.body):
        if not is_protobuf(request.body):
            why = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
            raise unrecognized(wanted, why, request.body)
        api_version, name, obj = decode_protobuf(request.body, backend.schemas)
        return orjson.dumps({"apiVersion": api_version, "kind": name, **obj})
    raise UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {_ACCEPTED}"
    )


def _from_yaml(body: bytes, wanted: str) -> bytes:
    try:
        return orjson.dumps(yaml.load(body, Loader=Loader))
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark and error.problem_mark.line else ""
        why = f"yaml: {line}{error.problem}"
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        why = f"yaml: {error}"
    raise unrecognized(wanted, f"error converting YAML to JSON: {why}", body)


class Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: timestamps stay text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _check_kind(obj: Any, api_version: str, kind: str) -> None:
    if not isinstance(obj, dict):
        raise BadRequest(f"the object provided is unrecognized (must be of type {kind})")
    said_version, said_kind = obj.get("apiVersion") or api_version, obj.get("kind") or kind
    if (said_version, said_kind) != (api_version, kind):
        raise BadRequest(
            f"the API version in the data ({said_version}) does not match the expected API version ({api_version})"
            if said_kind == kind
            else f'{said_kind} in version "{said_version}" cannot be handled as a {kind}: '
            f'no kind "{said_kind}" is registered for this resource'
        )
