"""Requests as nobody should send them, and as everybody does, over all endpoints.

Most parts of a request are right, for what is wrong everywhere is refused at the door: a path of a served resource, an
object that would do, a query that means something; then something in it is another value, missing, or rubbish. All
chance comes from the `Random` that is handed in: Hypothesis gives one whose seed it keeps, `make fuzz` one of its own.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

from podling.api.catalog import Catalog, Resource
from podling.api.schema import load
from podling.api.schema.protobuf import encode_protobuf
from tests.api.kinds import objects
from tests.fuzz.customized import GADGET, Custom
from tests.fuzz.mangling import json_patch, mutated, rubbish, value

Json = dict[str, Any]


class Sent(NamedTuple):
    """One request; `target` is the path and query as on the wire."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


BUILT_IN = list(Catalog.load("book").resources)
CUSTOM = [Custom("v1"), Custom("v1beta1")]
RESOURCES: list[Resource | Custom] = [*BUILT_IN, *CUSTOM * 4]
SCHEMAS = load()
NAMES = ("one", "two", "default", "kubernetes", "kube-root-ca.crt", "node-1", "system:node", "")
NAMESPACES = ("default", "kube-system", "nowhere", "")
BODIES = (
    *("application/json",) * 3,
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json; charset=utf-8",
    "",
)
PATCHES = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
ACCEPT = (
    *("application/json",) * 8,
    "*/*",
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1beta1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    "text/html;q=nan,application/json;q=x",
)
PATHS = (
    "/",
    "/api",
    "/apis",
    "/api/v1",
    "/apis/apps",
    "/apis/apps/v1",
    "/version",
    "/healthz",
    "/livez/ping",
    "/readyz/nothing",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/api/v1",
    "/openid/v1/jwks",
    "/.well-known/openid-configuration",
    "/logs",
    "/api/v1/namespaces",
    "/api/v1/watch/namespaces/default/configmaps",
)
QUERY: dict[str, tuple[str, ...]] = {
    "limit": ("1", "2", "0", "-1", "9223372036854775808"),
    "continue": ("e30", "x", "%"),
    "resourceVersion": ("0", "1", "7", "-1", "18446744073709551616"),
    "resourceVersionMatch": ("Exact", "NotOlderThan", "Never"),
    "labelSelector": ("a=b", "a in (b,c)", "!a", "a notin (", "a=b,,", "a>1", "==", "a b"),
    "fieldSelector": ("metadata.name=one", "spec.nodeName=n", "status.phase!=Running", "x=y", "=", "a=b=c"),
    "watch": ("true", "1", "false", "", "maybe"),
    "allowWatchBookmarks": ("true", "x"),
    "sendInitialEvents": ("true", "false", "x"),
    "timeoutSeconds": ("1", "0", "-1", "x", "1e9"),
    "dryRun": ("All", "Some", ""),
    "fieldManager": ("fuzz", "", "x" * 200),
    "fieldValidation": ("Strict", "Warn", "Ignore", "Other"),
    "force": ("true", "false", "x"),
    "gracePeriodSeconds": ("0", "-1", "x", "99999999999999999999"),
    "propagationPolicy": ("Foreground", "Background", "Orphan", "Other"),
    "orphanDependents": ("true", "x"),
    "includeObject": ("None", "Metadata", "Object", "Other"),
    "ignoreStoreReadErrorWithClusterBreakingPotential": ("true", "x"),
    "pretty": ("true", "x"),
    "container": ("main", "x"),
    "tailLines": ("-1", "x"),
    "command": ("ls",),
    "path": ("/x", "../.."),
    "hash": ("0",),
}

NAMED_BY_CONTENT = ("APIService", "CustomResourceDefinition", "IPAddress")
_bases: dict[tuple[str, str], str] = {}


def example(entry: Resource | Custom) -> Json:
    """A small object that would do, in this version."""
    key = (entry.api_version, entry.kind)
    if key not in _bases:
        if isinstance(entry, Custom):
            made = {"apiVersion": entry.api_version, "kind": entry.kind, **GADGET}
        else:
            made = _built_in(entry)
        _bases[key] = json.dumps(made)
    found: Json = json.loads(_bases[key])
    if entry.kind not in NAMED_BY_CONTENT:
        found.setdefault("metadata", {})["name"] = "one"
    return found


def _built_in(entry: Resource) -> Json:
    try:
        return {**entry.from_hub(objects.base(entry.kind)), "apiVersion": entry.api_version}
    except Exception:  # noqa: BLE001  a kind without an example is sent as a bare head
        return {"apiVersion": entry.api_version, "kind": entry.kind, "metadata": {"name": "one"}}


def body_for(random: Random, entry: Resource | Custom, media: str) -> bytes:
    if random.random() < 0.05:
        return random.randbytes(random.randrange(60))
    if media == "application/json-patch+json":
        return _text(json_patch(random))
    base = example(entry)
    if random.random() < 0.5 and "name" in base["metadata"]:
        base["metadata"] = {**base["metadata"], "generateName": "g-"}
        del base["metadata"]["name"]
    body = value(random) if random.random() < 0.15 else mutated(random, base)
    if "yaml" in media:
        return yaml.dump(body, Dumper=yaml.CSafeDumper, allow_unicode=True).encode("utf-8", "surrogatepass")
    text = _text(body)
    if "protobuf" in media:
        return _protobuf(random, entry, example(entry))
    broken = random.randrange(24)
    return text[: len(text) // 2] if broken == 0 else text.replace(b":", b"::", 1) if broken == 1 else text


def _protobuf(random: Random, entry: Resource | Custom, body: Json) -> bytes:
    """A message of the kind with up to four of its bytes changed, lost or added."""
    type_ = SCHEMAS.kind(entry.group, entry.version, entry.kind)
    if type_ is None or random.random() < 0.2:
        return b"k8s\x00" + random.randbytes(random.randrange(80))
    data = bytearray(encode_protobuf(body, type_))
    for _ in range(random.choice((0, 1, 2, 4))):
        at = random.randrange(len(data))
        data[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
    return bytes(data)


def _text(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def place(random: Random, entry: Resource | Custom) -> tuple[str, bool]:
    """(path, whether it names an object)"""
    parts = [f"/apis/{entry.group}/{entry.version}" if entry.group else f"/api/{entry.version}"]
    if random.random() < 0.02:
        parts.append("watch")
    if entry.namespaced is (random.random() < 0.95):
        parts += ["namespaces", "default" if random.random() < 0.9 else random.choice((*NAMESPACES, rubbish(random)))]
    parts.append(entry.plural)
    named = random.random() < 0.6
    if named:
        usual = example(entry)["metadata"].get("name", "one")
        parts.append(usual if random.random() < 0.8 else random.choice((*NAMES, rubbish(random))))
        if random.random() < 0.25:
            parts.append(random.choice((*list(entry.subresources) * 2, "status", "scale", rubbish(random))))
            if random.random() < 0.1:
                parts.append(rubbish(random))
    return "/".join(parts), named


def query(random: Random) -> list[tuple[str, str]]:
    keys = [random.choice(list(QUERY)) for _ in range(random.choice((0, 0, 1, 1, 2, 3)))]
    return [(key, rubbish(random) if random.random() < 0.15 else random.choice(QUERY[key])) for key in keys]


TOKENS = (
    "a.b.c",
    "eyJhbGciOiJub25lIn0.e30.",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA",
    "abcdef.0123456789abcdef",
)
ODD_HEADERS = (
    *("authorization", "if-none-match", "content-encoding", "accept-encoding", "impersonate-user", "impersonate-group"),
    *("impersonate-uid", "impersonate-extra-a%2fb", "connection", "upgrade", "sec-websocket-key"),
    *("sec-websocket-protocol", "x-stream-protocol-version", "content-length", "audit-id", "cookie"),
)


def odd_header(random: Random) -> tuple[str, str]:
    name = random.choice(ODD_HEADERS)
    if name == "authorization" and random.random() < 0.8:
        return name, f"Bearer {random.choice((*TOKENS, rubbish(random)))}"
    known = {"accept-encoding": "gzip", "upgrade": "websocket", "sec-websocket-protocol": "v5.channel.k8s.io"}
    return name, known[name] if name in known and random.random() < 0.7 else rubbish(random)


def request(random: Random) -> Sent:
    entry = random.choice(RESOURCES)
    if random.random() < 0.95:
        path, named = place(random, entry)
    else:
        path, named = random.choice((*PATHS, rubbish(random))), False
    method = random.choice(("GET", "PUT", "PATCH", "PATCH", "DELETE") if named else ("GET", "POST", "POST", "DELETE"))
    if random.random() < 0.03:
        method = random.choice(("GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "X"))
    usual = PATCHES if method == "PATCH" else BODIES
    media = random.choice(usual if random.random() < 0.93 else (*PATCHES, *BODIES, "text/plain", "application/cbor"))
    body = b"" if method == "GET" and random.random() < 0.97 else body_for(random, entry, media)
    headers = [("content-type", media), ("accept", random.choice(ACCEPT))]
    headers += [odd_header(random) for _ in range(random.choice((0, 0, 0, 0, 0, 1, 2)))]
    asked = query(random)
    if media == "application/apply-patch+yaml" and random.random() < 0.85:
        asked.append(("fieldManager", "fuzz"))
    if method == "DELETE" and random.random() < 0.85:
        asked.append(("dryRun", "All"))  # or soon there would be nothing left
    text = "&".join(f"{quote(key)}={quote(said, errors='replace')}" for key, said in asked)
    target = quote(path, safe="/%:~", errors="replace")
    return Sent(method, f"/{target.lstrip('/')}{'?' if text else ''}{text}", tuple(headers), body)
