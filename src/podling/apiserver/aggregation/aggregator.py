"""What stands between the filters and our own endpoints: requests that are for other servers go there."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from podling.api.errors import ApiError
from podling.apiserver.aggregation import merging, openapi2
from podling.apiserver.aggregation.availability import Availability
from podling.apiserver.aggregation.calling import Caller
from podling.apiserver.aggregation.frontproxy import CLIENT, front_proxy, publish
from podling.apiserver.aggregation.merging import Known
from podling.apiserver.aggregation.proxying import proxied, unavailable
from podling.apiserver.aggregation.registration import AGAIN, Registration
from podling.apiserver.aggregation.services import Remote, Services
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.negotiation import media_types
from podling.apiserver.endpoints.openapi import GNOSTIC, GNOSTIC_ANSWER
from podling.apiserver.filters.requestheader import FrontProxies
from podling.apiserver.message import JSON, Outcome, Request, Response
from podling.apiserver.webhooks.reach import Reach
from podling.supervise import Supervisor

log = logging.getLogger(__name__)
Json = dict[str, Any]
Dispatch = Callable[[Request], "Outcome | Awaitable[Outcome]"]
OPENAPI, OPENAPI2 = "/openapi/v3", "/openapi/v2"


class Aggregator:
    """`start` before the first request; then it stands for `dispatch`."""

    def __init__(self, backend: Backend, dispatch: Dispatch) -> None:
        self._backend, self._dispatch = backend, dispatch
        self._services = Services(backend.cache)
        self._caller: Caller | None = None
        self._availability: Availability | None = None
        self._merged: dict[str, tuple[bytes, int, bytes]] = {}

    async def start(self, tasks: Supervisor) -> None:
        """Until everything that belongs to a cluster is there; what is in its way now is tried again later."""
        backend = self._backend
        proxy = await front_proxy(backend.storage, backend.env)
        self.proxies = FrontProxies(backend.config.requestheaders, proxy.authority, CLIENT)
        self._caller = Caller(Reach(backend.cache, backend.env, backend.dialer), proxy)
        self._availability = Availability(backend, self._services, self._caller)
        registration = Registration(backend)
        await registration.start()
        try:
            await publish(backend, self.proxies)
        except ApiError as error:
            log.info("cannot publish the request header authority: %s", error)
            tasks.start("request header authority", self._publish(self.proxies))
        tasks.start("APIServices", registration.run())
        tasks.start("APIService availability", self._availability.run())

    async def _publish(self, proxies: FrontProxies) -> None:
        while True:
            await self._backend.env.sleep(AGAIN)
            try:
                await publish(self._backend, proxies)
                return
            except ApiError as error:  # a webhook is in the way
                log.info("cannot publish the request header authority: %s", error)

    def __call__(self, request: Request) -> Outcome | Awaitable[Outcome]:
        if self._services.remote and (taken := self._taken(request)) is not None:
            return taken
        return self._dispatch(request)

    def _taken(self, request: Request) -> Outcome | Awaitable[Outcome] | None:
        path = request.path
        if path.startswith(f"{OPENAPI}/apis/"):
            remote = self._remote(path.removeprefix(OPENAPI))
            return None if remote is None else self._proxied(remote, request)
        if path.rstrip("/") == OPENAPI:
            return self._later(request, lambda local: merging.openapi_index(local, self._openapi()))
        if path.rstrip("/") == OPENAPI2 and self._availability is not None and self._availability.openapi2:
            return self._openapi2(request, self._availability)
        if not path.startswith("/apis"):
            return None
        if (remote := self._remote(path)) is not None:
            return self._proxied(remote, request)
        return self._discovery(request)

    def _remote(self, path: str) -> Remote | None:
        parts = path.split("/", 4)
        return self._services.remote.get((parts[2], parts[3])) if len(parts) > 3 else None

    def _proxied(self, remote: Remote, request: Request) -> Outcome | Awaitable[Outcome]:
        if self._caller is None or not self._services.available(remote):
            return unavailable("service unavailable")
        return proxied(self._caller, remote, request)

    def _discovery(self, request: Request) -> Outcome | Awaitable[Outcome] | None:
        known = self._known()
        parts = request.path.strip("/").split("/")
        if len(parts) == 1:
            return self._later(request, lambda local: _listed(local, known))
        group = parts[1]
        if len(parts) > 2 or not any(each.remote.group == group for each in known):
            return None
        found: Json | None = self._local_group(group)
        document = {"kind": "APIGroup", "apiVersion": "v1", **merging.group_of(found, group, known)}
        return Response(200, orjson.dumps(document))

    def _known(self) -> list[Known]:
        kept = self._availability.known if self._availability is not None else {}
        return [kept.get(key) or Known(remote, None, False) for key, remote in self._services.remote.items()]

    def _openapi(self) -> dict[str, Json]:
        kept = self._availability.openapi if self._availability is not None else {}
        return {f"apis/{group}/{version}": {"serverRelativeURL": url} for (group, version), url in kept.items() if url}

    async def _openapi2(self, request: Request, availability: Availability) -> Outcome:
        """Our own document with theirs in it, as JSON or protobuf; both are kept as long as neither changes."""
        wanted = [each.name for each in media_types(request.header("accept"))]
        protobuf = bool(wanted) and wanted[0] in (GNOSTIC, GNOSTIC_ANSWER)
        outcome = await self._local(request, {"accept": JSON})
        if not isinstance(outcome, Response) or outcome.status != 200:
            return outcome
        local, generation = whole(outcome), availability.generation
        kept = self._merged.get(OPENAPI2)
        if kept is None or kept[:2] != (local, generation):
            kept = (local, generation, openapi2.spliced(local, list(availability.openapi2.values())))
            self._merged[OPENAPI2] = kept
            self._merged.pop(GNOSTIC, None)
        if not protobuf:
            return _tagged(request, outcome, kept[2])
        encoded = self._merged.get(GNOSTIC)
        if encoded is None or encoded[0] is not kept[2]:
            encoded = (kept[2], generation, await self._as_protobuf(kept[2], local))
            self._merged[GNOSTIC] = encoded
        return _tagged(request, Response(200, b"", GNOSTIC_ANSWER, outcome.headers), encoded[2])

    async def _as_protobuf(self, document: bytes, local: bytes) -> bytes:
        """Of our document alone where theirs is such that it cannot be written."""
        encode = self._backend.env.in_thread
        try:
            return await encode(openapi2.as_protobuf, document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("the OpenAPI documents of other servers cannot be written as protobuf: %r", error)
            return await encode(openapi2.as_protobuf, local)

    def _local_group(self, group: str) -> Json | None:
        versions = [each.versions for each in self._backend.discovery.groups if each.name == group]
        listed = (
            [{"groupVersion": f"{group}/{version}", "version": version} for version in versions[0]] if versions else []
        )
        return {"versions": listed} if listed else None

    async def _later(self, request: Request, merge: Callable[[Json], Json]) -> Outcome:
        """Our own document with theirs in it, kept as long as neither changes."""
        outcome = await self._local(request, _unconditional(request))
        if not isinstance(outcome, Response) or outcome.status != 200:
            return outcome
        local = whole(outcome)
        kept = self._merged.get(outcome.content_type + request.path)
        generation = self._availability.generation if self._availability is not None else 0
        if kept is None or kept[:2] != (local, generation):
            kept = (local, generation, orjson.dumps(merge(orjson.loads(local))))
            self._merged[outcome.content_type + request.path] = kept
        return _tagged(request, outcome, kept[2])

    async def _local(self, request: Request, headers: dict[str, str]) -> Outcome:
        """What we answer ourselves."""
        plain = Request("GET", request.path, request.query, headers, in_process=True)
        plain.user = request.user
        outcome = self._dispatch(plain)
        return await outcome if isinstance(outcome, Awaitable) else outcome


def whole(response: Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b"".join(response.body)


def _listed(local: Json, known: list[Known]) -> Json:
    if local.get("kind") == "APIGroupDiscoveryList":
        return merging.aggregated(local, known)
    return merging.group_list(local, known)


def _unconditional(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name != "if-none-match"}


def _tagged(request: Request, local: Response, body: bytes) -> Response:
    if not any(name == "ETag" for name, _ in local.headers):
        return Response(200, body, local.content_type, local.headers)
    etag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = [("ETag", etag), *(pair for pair in local.headers if pair[0] != "ETag")]
    if request.header("if-none-match") == etag:
        return Response(304, b"", "", headers)
    return Response(200, body, local.content_type, headers)
