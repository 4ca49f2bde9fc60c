"""Which function answers what: verbs of resources, subresources, and the paths outside of resources.

A new verb or subresource is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from podling.api.catalog import Resource
from podling.api.errors import MethodNotAllowed
from podling.apiserver.backend import Backend, Endpoint
from podling.apiserver.customresources.converting import converting
from podling.apiserver.endpoints import discovery, info, openapi
from podling.apiserver.endpoints.binding import bind
from podling.apiserver.endpoints.componentstatuses import COMPONENTS
from podling.apiserver.endpoints.connect import connecting
from podling.apiserver.endpoints.create import create
from podling.apiserver.endpoints.delete import delete
from podling.apiserver.endpoints.deletecollection import deletecollection
from podling.apiserver.endpoints.encoding import compressed, encoded, encoding_of, far
from podling.apiserver.endpoints.eviction import evict
from podling.apiserver.endpoints.finalize import finalize
from podling.apiserver.endpoints.get import get
from podling.apiserver.endpoints.list import list_
from podling.apiserver.endpoints.patch import patch
from podling.apiserver.endpoints.reviews import REVIEWS
from podling.apiserver.endpoints.rollback import roll_back
from podling.apiserver.endpoints.scale import get_scale, patch_scale, put_scale
from podling.apiserver.endpoints.tokenrequest import token
from podling.apiserver.endpoints.update import update
from podling.apiserver.endpoints.watch import watch
from podling.apiserver.message import JSON, Outcome, Request
from podling.apiserver.metricsapi.endpoint import COMPUTED
from podling.apiserver.registry.served import unknown_path
from podling.apiserver.routing import Target

VERBS: Mapping[str, Endpoint] = {
    "get": get,
    "list": list_,
    "watch": watch,
    "create": create,
    "update": update,
    "patch": patch,
    "delete": delete,
    "deletecollection": deletecollection,
}
# Subresources whose body is the object itself, and that are written as the object is.
WHOLE: Mapping[str, Endpoint] = {"get": get, "update": update, "patch": patch}

SUBRESOURCES: Mapping[tuple[str, str], Mapping[str, Endpoint]] = {
    ("*", "status"): WHOLE,
    ("*", "scale"): {"get": get_scale, "update": put_scale, "patch": patch_scale},
    ("pods", "binding"): {"create": bind},
    ("pods", "eviction"): {"create": evict},
    ("pods", "ephemeralcontainers"): WHOLE,
    ("pods", "resize"): WHOLE,
    ("serviceaccounts", "token"): {"create": token},
    ("namespaces", "finalize"): {"update": finalize},
    ("deployments", "rollback"): {"create": roll_back},
    ("certificatesigningrequests", "approval"): WHOLE,
}
# Whether a verb's path has a name, where a client might get that wrong.
_NAMED: Mapping[str, bool] = {"create": False, "update": True, "patch": True}

READS = ("get", "list", "watch")
# Resources of which nothing is kept, and that can be read all the same.
ANSWERED: Mapping[tuple[str, str], Mapping[str, Endpoint]] = {**COMPUTED, **COMPONENTS}

# Resources of which nothing is kept: they are created, answered and forgotten.
CREATED_ONLY: Mapping[str, Endpoint] = {**REVIEWS, "bindings": bind}

PATHS: Mapping[str, Endpoint] = {
    "/": discovery.root,
    "/version": info.version,
    "/metrics": info.metrics,
    "/openapi/v2": openapi.v2,
    "/openapi/v3": openapi.index,
    "/.well-known/openid-configuration": info.openid_configuration,
    "/openid/v1/jwks": info.openid_keys,
}
PREFIXES: Mapping[str, Endpoint] = {
    "/livez": info.health,
    "/readyz": info.health,
    "/healthz": info.health,
    "/openapi/v3/": openapi.v3,
    "/api": discovery.discovery,
    "/apis": discovery.discovery,
}


class Dispatch:
    """The chain's endpoint: finds the function and calls it."""

    def __init__(self, backend: Backend, streams: Mapping[tuple[str, str], Endpoint]) -> None:
        """`streams`: (plural, subresource) → endpoint of exec, attach, log, portforward and proxy, for every verb."""
        self._backend, self._streams = backend, streams

    def __call__(self, request: Request) -> Outcome | Awaitable[Outcome]:
        if "json" not in request.headers.get("accept", JSON) or (request.peer and request.peer[:4] != "127."):
            return self._otherwise(request)
        return self._plain(request)

    def _otherwise(self, request: Request) -> Outcome | Awaitable[Outcome]:
        """For clients that take no JSON, and for those that are far away; streams of other programs stay as they
        are, and so does a watch, which must not wait for more to compress."""
        target = request.target
        if target is not None and (target.plural, target.subresource) in self._streams:
            return self._plain(request)
        if encoding := encoding_of(request.headers.get("accept", "")):
            return encoded(self._backend, request, encoding, self._plain)
        if far(request) and (target is None or target.verb != "watch"):
            return compressed(self._backend, self._plain(request))
        return self._plain(request)

    def _plain(self, request: Request) -> Outcome | Awaitable[Outcome]:
        target = request.target
        if target is None:
            return self._path(request)
        served = self._backend.resources.get(target.group, target.version, target.plural)
        endpoint = self._endpoint(served.entry, target, request)
        if served.waits or (self._backend.resources.waiting and target.verb not in READS):
            endpoint = converting(endpoint)
        return endpoint(self._backend, request)

    def _endpoint(self, entry: Resource, target: Target, request: Request) -> Endpoint:
        plural, subresource = target.plural, target.subresource
        if entry.deprecated:
            request.warn(entry.deprecated)
        if entry.namespaced is not bool(target.namespace) and not self._everywhere(entry.namespaced, target):
            raise unknown_path()
        if not subresource:
            if not entry.stored and plural in CREATED_ONLY:
                if target.verb != "create":
                    raise not_supported()
                return CREATED_ONLY[plural]
            if (computed := ANSWERED.get((target.group, plural))) is not None:
                if target.verb not in computed:
                    raise not_supported()
                return computed[target.verb]
            misplaced = _NAMED.get(target.verb) is (not target.name)
            if misplaced or target.verb not in entry.verbs:
                raise not_supported()
            return VERBS[target.verb]
        if (stream := self._streams.get((plural, subresource))) is not None:
            return connecting(stream) if self._backend.admission.asks_others and subresource != "log" else stream
        if subresource not in entry.subresources:
            raise unknown_path()
        found = SUBRESOURCES.get((plural, subresource)) or SUBRESOURCES.get(("*", subresource)) or {}
        if target.verb not in found or target.verb not in entry.subresources[subresource].verbs:
            raise not_supported()
        return found[target.verb]

    @staticmethod
    def _everywhere(namespaced: bool, target: Target) -> bool:
        """A namespaced resource may be listed and watched, and reviewed, without a namespace."""
        if namespaced and target.verb in ("create", "deletecollection"):
            raise not_supported()
        return namespaced and target.verb in ("list", "watch") and not target.name

    def _path(self, request: Request) -> Outcome | Awaitable[Outcome]:
        path = request.path
        endpoint = PATHS.get(path.rstrip("/") or "/")
        if endpoint is None:
            endpoint = next((found for prefix, found in PREFIXES.items() if path.startswith(prefix)), None)
        if endpoint is None:
            raise unknown_path()
        if request.method not in ("GET", "HEAD"):
            raise not_supported()
        return endpoint(self._backend, request)


def not_supported() -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource")
