"""Paths of the API and what they address, as `RequestInfo` of the Kubernetes API concepts page.

`/api/v1/namespaces/default/pods/x/log` is verb get, resource pods, subresource log. A path that is no resource's
(`/version`) has no `Target`; filters decide by it who may ask what.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get", "HEAD": "get"}


class Target(msgspec.Struct, frozen=True, gc=False):
    """A resource request. `path` holds what follows a proxy subresource, without the leading slash."""

    verb: str
    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""


def split(path: str) -> Target | None:
    """What a path addresses, its verb not yet decided; None for paths outside of resources."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    verb = ""
    if rest[0] == "watch" and len(rest) > 1:
        verb, rest = "watch", rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        # /namespaces/x, /namespaces/x/status and /namespaces/x/finalize are the namespace itself.
        if len(rest) > 2 and rest[2] not in ("status", "finalize"):
            rest = rest[2:]
    plural, name, subresource = rest[0], rest[1] if len(rest) > 1 else "", rest[2] if len(rest) > 2 else ""
    tail = "/".join(rest[3:])
    if tail and subresource != "proxy":
        return None
    if plural == "namespaces":
        namespace = ""
    if subresource == "proxy" and path.endswith("/") and tail:
        tail += "/"
    return Target(verb, group, version, plural, namespace, name, subresource, tail)


@lru_cache(maxsize=4096)
def target_of(method: str, path: str, query: tuple[tuple[str, str], ...]) -> Target | None:
    """The request's target with its verb: get, list, watch, create, update, patch, delete, deletecollection."""
    target = split(path)
    if target is None:
        return None
    verb = _VERBS.get(method, "")
    if target.verb == "watch":
        verb = "watch"
    elif not target.name:
        if verb == "get":
            # `?watch` without a value means true, as in upstream's query decoding of booleans.
            watching = any(key == "watch" and value not in ("0", "false") for key, value in query)
            verb = "watch" if watching else "list"
        elif verb == "delete":
            verb = "deletecollection"
    return msgspec.structs.replace(target, verb=verb)
