"""Who we are to aggregated servers: an authority of its own that vouches for the user names we pass on.

Such a server trusts `X-Remote-User` only from a client certificate of the request header authority, which it finds,
with the cluster's own, in the ConfigMap `extension-apiserver-authentication` (Kubernetes documentation, "Configure the
aggregation layer"). The authority lies in the store, so that those servers outlive a restart of this one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

import msgspec

from podling.api.errors import AlreadyExists
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.writing import own_request
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.create import create_object
from podling.apiserver.filters.requestheader import FrontProxies
from podling.apiserver.registry.heads import INTERNAL
from podling.env import Env
from podling.pki.ca import CertificateAuthority, KeyPair
from podling.storage.interface import KeyExists, Storage

Json = dict[str, Any]
CLIENT = "front-proxy-client"
NAME, NAMESPACE = "extension-apiserver-authentication", "kube-system"
_KEY = f"{INTERNAL}keys/front-proxy"


class FrontProxy(msgspec.Struct, frozen=True):
    authority: bytes
    """PEM; the certificate only."""
    client: KeyPair


async def front_proxy(storage: Storage, env: Env) -> FrontProxy:
    """With the store's authority, made on first use."""
    row = await storage.get(_KEY)
    if row is None:
        pair = CertificateAuthority.create("front-proxy", env.now()).pair
        kept = {"metadata": {}, "certificate": pair.certificate.decode(), "key": pair.key.decode()}
        try:
            row = await storage.create(_KEY, msgspec.json.encode(kept))
        except KeyExists as error:
            row = error.current
    said = msgspec.json.decode(row.value)
    authority = CertificateAuthority(KeyPair(said["certificate"].encode(), said["key"].encode()))
    return FrontProxy(authority.pair.certificate, authority.client(CLIENT, (), env.now()))


async def publish(backend: Backend, proxies: FrontProxies) -> None:
    """Make the ConfigMap say what holds now. Raises ApiError."""
    served = backend.resources.get("", "v1", "configmaps")
    data = published(backend.config.ca, proxies)
    current = backend.cache.get(served.key(NAMESPACE, NAME))
    if current is None:
        metadata = {"name": NAME, "namespace": NAMESPACE}
        hub = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}
        # Another server on the same store may be quicker, and says the same.
        with contextlib.suppress(AlreadyExists):
            await create_object(backend, own_request("POST", ""), served, hub, dry=False)
        return
    if current.json().get("data") != data:
        wanted = Change(served, NAMESPACE, NAME, lambda old: _said(old, data))
        await change(backend, own_request("PUT", ""), wanted)


def published(ca: bytes, proxies: FrontProxies) -> dict[str, str]:
    """Other servers are told what holds here; our own calls to them always have the usual headers."""
    said = proxies.settings
    data = {
        "requestheader-allowed-names": _listed(proxies.allowed),
        "requestheader-client-ca-file": proxies.authority.decode(),
        "requestheader-extra-headers-prefix": _listed(map(_capitals, said.extra)),
        "requestheader-group-headers": _listed(map(_capitals, said.groups)),
        "requestheader-uid-headers": _listed(map(_capitals, said.uids)),
        "requestheader-username-headers": _listed(map(_capitals, said.users)),
    }
    return {"client-ca-file": ca.decode(), **data} if ca else data


def _listed(names: Iterable[str]) -> str:
    return json.dumps(list(names), separators=(",", ":"))


def _capitals(header: str) -> str:
    return "-".join(part.capitalize() for part in header.split("-"))


def _said(old: Json, data: dict[str, str]) -> Json:
    del old["metadata"]["resourceVersion"]
    return {**old, "data": {**(old.get("data") or {}), **data}}
