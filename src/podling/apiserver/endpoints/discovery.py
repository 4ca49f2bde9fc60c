"""Discovery: which groups, versions and resources there are, plain and aggregated (KEP-3352).

The documents are made once at the start from the catalog. The aggregated ones carry an ETag, so that a client that has
them asks again for nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from podling.api.catalog import Catalog, Group, Resource
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.negotiation import media_types
from podling.apiserver.message import JSON, PRIVATE, Request, Response
from podling.apiserver.registry.served import unknown_path

Json = dict[str, Any]
VARY = [*PRIVATE, ("Vary", "Accept")]


class Discovery:
    """All documents of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.renew(catalog)

    def renew(self, catalog: Catalog) -> None:
        """Make all documents anew: resources have come or gone."""
        self._catalog = catalog
        self._documents: Mapping[str, bytes] = {
            path: orjson.dumps(document) for path, document in self._plain().items()
        }
        self._aggregated = {
            "/api": self._aggregate(core=True),
            "/apis": self._aggregate(core=False),
        }

    @property
    def groups(self) -> tuple[Group, ...]:
        return self._catalog.groups

    def paths(self) -> list[str]:
        return sorted(self._documents)

    def answer(self, request: Request) -> Response:
        """Raises NotFound for a path that is no discovery document."""
        path = request.path.rstrip("/") or "/"
        if path in self._aggregated and _wants_aggregated(request.headers.get("accept", "")):
            body, etag = self._aggregated[path]
            headers = [("ETag", f'"{etag}"'), ("Vary", "Accept"), ("Cache-Control", "public")]
            if request.headers.get("if-none-match", "").strip('"') == etag:
                return Response(304, b"", "", headers)
            kind = f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            return Response(200, body, kind, headers)
        document = self._documents.get(path)
        if document is None:
            raise unknown_path()
        return Response(200, document, headers=VARY)

    def _plain(self) -> dict[str, Json]:
        documents: dict[str, Json] = {
            "/api": {
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [],
            },
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        }
        for group in self._catalog.groups:
            for version in group.versions:
                path = f"/apis/{group.name}/{version}" if group.name else f"/api/{version}"
                documents[path] = self._resources(group.name, version)
            if group.name:
                described = _group(group.name, group.versions)
                documents["/apis"]["groups"].append(described)
                documents[f"/apis/{group.name}"] = {"kind": "APIGroup", "apiVersion": "v1", **described}
        return documents

    def _resources(self, group: str, version: str) -> Json:
        resources: list[Json] = []
        for entry in self._catalog.in_version(group, version):
            resources.append(_described(entry))
            for sub in entry.subresources.values():
                described: Json = {
                    "name": f"{entry.plural}/{sub.name}",
                    "singularName": "",
                    "namespaced": entry.namespaced,
                    "kind": sub.kind,
                    "verbs": list(sub.verbs),
                }
                if (sub.group, sub.version) != (group, version):
                    described |= {"group": sub.group, "version": sub.version}
                resources.append(described)
        group_version = f"{group}/{version}" if group else version
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": sorted(resources, key=lambda each: str(each["name"])),
        }

    def _aggregate(self, *, core: bool) -> tuple[bytes, str]:
        items = []
        for group in self._catalog.groups:
            if bool(group.name) is core:
                continue
            served = [self._version(group.name, version) for version in group.versions]
            metadata = {"name": group.name, "creationTimestamp": None} if group.name else {"creationTimestamp": None}
            items.append({"metadata": metadata, "versions": served})
        document = {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {},
            "items": items,
        }
        body = orjson.dumps(document)
        return body, hashlib.sha512(body).hexdigest().upper()

    def _version(self, group: str, version: str) -> Json:
        resources = []
        for entry in self._catalog.in_version(group, version):
            described: Json = {
                "resource": entry.plural,
                "responseKind": _gvk(entry.group, entry.version, entry.kind),
                "scope": "Namespaced" if entry.namespaced else "Cluster",
                "singularResource": entry.singular,
                "verbs": list(entry.verbs),
            }
            if entry.short_names:
                described["shortNames"] = list(entry.short_names)
            if entry.categories:
                described["categories"] = list(entry.categories)
            if entry.subresources:
                described["subresources"] = [
                    {
                        "subresource": sub.name,
                        "responseKind": _gvk(sub.group, sub.version, sub.kind),
                        "verbs": list(sub.verbs),
                    }
                    for sub in entry.subresources.values()
                ]
            resources.append(described)
        return {"version": version, "resources": resources, "freshness": "Current"}


def discovery(backend: Backend, request: Request) -> Response:
    return backend.discovery.answer(request)


def root(backend: Backend, request: Request) -> Response:
    """GET /: the paths there are."""
    others = ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
    paths = sorted([*backend.discovery.paths(), *others, "/.well-known/openid-configuration", "/openid/v1/jwks"])
    return Response(200, orjson.dumps({"paths": paths}))


def _described(entry: Resource) -> Json:
    described: Json = {
        "name": entry.plural,
        "singularName": entry.singular,
        "namespaced": entry.namespaced,
        "kind": entry.kind,
        "verbs": list(entry.verbs),
    }
    if entry.short_names:
        described["shortNames"] = list(entry.short_names)
    if entry.categories:
        described["categories"] = list(entry.categories)
    if entry.stored:
        name = f"{entry.api_version}/{entry.plural}".encode()
        described["storageVersionHash"] = hashlib.sha256(name).hexdigest()[:12]
    return described


def _group(name: str, versions: tuple[str, ...]) -> Json:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _gvk(group: str, version: str, kind: str) -> Json:
    return {"group": group, "version": version, "kind": kind}


def _wants_aggregated(accept: str) -> bool:
    for name, params in media_types(accept):
        if params.get("as") == "APIGroupDiscoveryList" and name == JSON and params.get("v") == "v2":
            return True
        if name == JSON and "as" not in params:
            return False
    return False
