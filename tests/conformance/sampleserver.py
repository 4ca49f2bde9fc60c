"""A sample API server to be aggregated: Flunders in namespaces, and Fischers that ban some of their names.

It is a program by itself (standard library only) and runs wherever Python does: in a container, or in a thread of a
test. Who asks it finds out as every extension server does: from the front proxy's headers, whose authority the cluster
publishes in a ConfigMap, from client certificates of the cluster, or by TokenReview; whether he may it asks the cluster
by SubjectAccessReview. What it keeps it keeps in memory.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
GROUP, VERSION = "wardle.example.com", "v1alpha1"
BASE = f"/apis/{GROUP}/{VERSION}"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
KINDS = {"flunders": ("Flunder", "flunder", True), "fischers": ("Fischer", "fischer", False)}
AUTHENTICATION = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
ALWAYS = ("/healthz", "/livez", "/readyz")


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}
        self.status |= {"reason": reason, "message": message}


class Cluster:
    """The API server this one is an extension of."""

    def __init__(self, url: str, authority: str, token: str) -> None:
        self._url, self._token = url, token
        self._context = ssl.create_default_context(cadata=authority)

    def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, context=self._context, timeout=10) as answer:
            found: Json = json.load(answer)
        return found


class Trust:
    """Whom to believe, as the cluster publishes it."""

    def __init__(self, published: Json) -> None:
        data = published["data"]
        self.proxies, self.clients = data["requestheader-client-ca-file"], data.get("client-ca-file", "")
        self.allowed = json.loads(data["requestheader-allowed-names"])
        self.user = json.loads(data["requestheader-username-headers"])[0]
        self.group = json.loads(data["requestheader-group-headers"])[0]
        self.extra = json.loads(data["requestheader-extra-headers-prefix"])[0]
        self._proxy = subject_of(self.proxies)

    def by_proxy(self, peer: Json) -> bool:
        name = attributes(peer["subject"]).get("commonName", [""])[0]
        return peer["issuer"] == self._proxy and (not self.allowed or name in self.allowed)


def subject_of(authority: str) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authority)
    return context.get_ca_certs()[0]["subject"]


def attributes(name: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for relative in name:
        for key, value in relative:
            found.setdefault(key, []).append(value)
    return found


class Store:
    """Objects by resource, namespace and name, and everything that happened to them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.objects: dict[tuple[str, str, str], Json] = {}
        self.events: list[tuple[int, str, str, Json]] = []
        self.revision = 1

    def put(self, kind: str, resource: str, obj: Json) -> Json:
        with self.changed:
            self.revision += 1
            metadata = {**obj["metadata"], "resourceVersion": str(self.revision)}
            key = (resource, metadata.get("namespace", ""), metadata["name"])
            stored = {**obj, "metadata": metadata}
            if kind == "DELETED":
                self.objects.pop(key, None)
            else:
                self.objects[key] = stored
            self.events.append((self.revision, kind, resource, stored))
            self.changed.notify_all()
            return stored

    def list(self, resource: str, namespace: str) -> list[Json]:
        found = sorted(self.objects.items())
        return [obj for (kind, where, _), obj in found if kind == resource and namespace in ("", where)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SampleServer

    def _any(self) -> None:
        try:
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            where = urlsplit(self.path)
            self.query = {key: values[-1] for key, values in parse_qs(where.query).items()}
            if where.path in ALWAYS:
                self._send(200, "ok")
                return
            user = self._user()
            parts = where.path.strip("/").split("/")
            if where.path.startswith(f"{BASE}/"):
                self._resource(user, parts[3:])
            else:
                self._allowed(user, {"nonResourceAttributes": {"path": where.path, "verb": "get"}}, where.path)
                self._send(200, documents(where.path))
        except Refused as refused:
            self._send(refused.code, refused.status)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    # Who, and whether he may.

    def _user(self) -> Json:
        trust = self.server.trust
        peer = self.connection.getpeercert()
        if peer and trust.by_proxy(peer):
            prefix = trust.extra.lower()
            extra: dict[str, list[str]] = {}
            for name, value in self.headers.items():
                if name.lower().startswith(prefix):
                    extra.setdefault(name[len(prefix) :].lower(), []).append(value)
            groups = self.headers.get_all(trust.group) or []
            return {"user": self.headers.get(trust.user, ""), "groups": groups, "extra": extra}
        if peer:
            said = attributes(peer["subject"])
            groups = [*said.get("organizationName", []), "system:authenticated"]
            return {"user": said["commonName"][0], "groups": groups}
        scheme, _, token = (self.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            return {"user": "system:anonymous", "groups": ["system:unauthenticated"]}
        review = self.server.review("authentication", "TokenReview", {"token": token})
        if not review["status"].get("authenticated"):
            raise Refused(401, "Unauthorized", "Unauthorized")
        found = review["status"]["user"]
        return {"user": found["username"], "groups": found.get("groups", []), "extra": found.get("extra", {})}

    def _allowed(self, user: Json, question: Json, what: str) -> None:
        review = self.server.review("authorization", "SubjectAccessReview", {**user, **question})
        if not review["status"]["allowed"]:
            raise Refused(403, "Forbidden", f'{what} is forbidden: User "{user["user"]}" may not')

    # What.

    def _resource(self, user: Json, parts: list[str]) -> None:
        namespace = ""
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        resource, name = parts[0], parts[1] if len(parts) > 1 else ""
        if resource not in KINDS or len(parts) > 2:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        verb = verb_of(self.command, bool(name), self.query)
        asked = {"verb": verb, "group": GROUP, "version": VERSION, "resource": resource}
        asked |= {"namespace": namespace, "name": name}
        self._allowed(user, {"resourceAttributes": asked}, f'{resource}.{GROUP} "{name}"')
        getattr(self, f"_{verb}")(resource, namespace, name)

    def _found(self, resource: str, namespace: str, name: str) -> Json:
        found = self.server.store.objects.get((resource, namespace, name))
        if found is None:
            raise Refused(404, "NotFound", f'{resource}.{GROUP} "{name}" not found')
        return found

    def _get(self, resource: str, namespace: str, name: str) -> None:
        self._send(200, self._found(resource, namespace, name))

    def _list(self, resource: str, namespace: str, name: str) -> None:
        store = self.server.store
        with store.changed:
            items, revision = store.list(resource, namespace), store.revision
        meta = {"resourceVersion": str(revision)}
        kind = f"{KINDS[resource][0]}List"
        self._send(200, {"kind": kind, "apiVersion": f"{GROUP}/{VERSION}", "metadata": meta, "items": items})

    def _watch(self, resource: str, namespace: str, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        store, seen = self.server.store, int(self.query.get("resourceVersion") or 0)
        deadline = time.monotonic() + float(self.query.get("timeoutSeconds") or 1800)
        while time.monotonic() < deadline and not self.server.ended.is_set():
            with store.changed:
                if store.revision <= seen:
                    store.changed.wait(0.2)
                news, seen = [each for each in store.events if each[0] > seen], store.revision
            for _, kind, of, obj in news:
                if of == resource and namespace in ("", obj["metadata"].get("namespace")):
                    line = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        self.wfile.write(b"0\r\n\r\n")

    def _create(self, resource: str, namespace: str, name: str) -> None:
        obj = self._given(resource, namespace)
        metadata = obj["metadata"]
        if not metadata.get("name"):
            metadata["name"] = metadata.get("generateName", "") + uuid.uuid4().hex[:5]
        if (resource, namespace, metadata["name"]) in self.server.store.objects:
            raise Refused(409, "AlreadyExists", f'{resource}.{GROUP} "{metadata["name"]}" already exists')
        for fischer in self.server.store.list("fischers", ""):
            if resource == "flunders" and metadata["name"] in fischer.get("disallowedFlunders", ()):
                raise Refused(403, "Forbidden", f'{resource}.{GROUP} "{metadata["name"]}" is forbidden: banned')
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now}
        self._send(201, self.server.store.put("ADDED", resource, obj))

    def _update(self, resource: str, namespace: str, name: str) -> None:
        old = self._found(resource, namespace, name)
        obj = self._given(resource, namespace)
        if (
            obj["metadata"].get("resourceVersion", old["metadata"]["resourceVersion"])
            != old["metadata"]["resourceVersion"]
        ):
            raise Refused(409, "Conflict", "the object has been modified; please apply your changes to the latest")
        obj["metadata"] |= {key: old["metadata"][key] for key in ("uid", "creationTimestamp")}
        self._send(200, self._kept(resource, obj))

    def _patch(self, resource: str, namespace: str, name: str) -> None:
        old = self._found(resource, namespace, name)
        if "merge-patch" not in (self.headers.get("Content-Type") or ""):
            raise Refused(415, "UnsupportedMediaType", "only merge patches are understood here")
        self._send(200, self._kept(resource, merged(old, json.loads(self.body))))

    def _kept(self, resource: str, obj: Json) -> Json:
        """Stored; what was only waiting for its last finalizer goes."""
        metadata = obj["metadata"]
        gone = metadata.get("deletionTimestamp") and not metadata.get("finalizers")
        return self.server.store.put("DELETED" if gone else "MODIFIED", resource, obj)

    def _delete(self, resource: str, namespace: str, name: str) -> None:
        self._remove(resource, self._found(resource, namespace, name))
        self._send(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    def _deletecollection(self, resource: str, namespace: str, name: str) -> None:
        for each in self.server.store.list(resource, namespace):
            self._remove(resource, each)
        self._send(200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})

    def _remove(self, resource: str, obj: Json) -> None:
        options = json.loads(self.body) if self.body else {}
        wanted = (options.get("preconditions") or {}).get("uid")
        if wanted and wanted != obj["metadata"]["uid"]:
            raise Refused(409, "Conflict", "the UID in the precondition does not match the UID in record")
        if obj["metadata"].get("finalizers"):
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            obj = {**obj, "metadata": {**obj["metadata"], "deletionTimestamp": now, "deletionGracePeriodSeconds": 0}}
        self.server.store.put("MODIFIED" if obj["metadata"].get("finalizers") else "DELETED", resource, obj)

    def _given(self, resource: str, namespace: str) -> Json:
        obj: Json = json.loads(self.body)
        obj |= {"kind": KINDS[resource][0], "apiVersion": f"{GROUP}/{VERSION}"}
        metadata = obj.setdefault("metadata", {})
        if namespace:
            metadata["namespace"] = namespace
        return obj

    def _send(self, code: int, body: Json | str) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def verb_of(method: str, named: bool, query: dict[str, str]) -> str:
    if method == "GET":
        return "get" if named else "watch" if query.get("watch") in ("1", "true") else "list"
    if method == "DELETE":
        return "delete" if named else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}[method]


def merged(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(old, dict) or not isinstance(patch, dict):
        return patch
    kept = {key: value for key, value in old.items() if key not in patch}
    return kept | {key: merged(old.get(key), value) for key, value in patch.items() if value is not None}


def documents(path: str) -> Json:
    """Discovery."""
    named = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    group = {"name": GROUP, "versions": [named], "preferredVersion": named}
    if path == BASE:
        resources = [
            {"name": plural, "singularName": one, "namespaced": inside, "kind": kind, "verbs": VERBS}
            for plural, (kind, one, inside) in KINDS.items()
        ]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": BASE[6:], "resources": resources}
    if path == f"/apis/{GROUP}":
        return {"kind": "APIGroup", "apiVersion": "v1", **group}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}
    raise Refused(404, "NotFound", "the server could not find the requested resource")


class SampleServer(ThreadingHTTPServer):
    """`certificate` is the path of a PEM file with certificate and key."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], certificate: str, cluster: Cluster) -> None:
        self._cluster, self.store, self.ended = cluster, Store(), threading.Event()
        self.trust = Trust(cluster.ask("GET", AUTHENTICATION))
        super().__init__(address, Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=self.trust.proxies + self.trust.clients)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients come and go."""

    def review(self, group: str, kind: str, spec: Json) -> Json:
        """Ask the cluster a question."""
        body = {"kind": kind, "apiVersion": f"{group}.k8s.io/v1", "spec": spec}
        try:
            return self._cluster.ask("POST", f"/apis/{group}.k8s.io/v1/{kind.lower()}s", body)
        except urllib.error.URLError as error:
            raise Refused(500, "InternalError", f"the cluster could not be asked: {error}") from error


def main() -> None:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    account = Path(ACCOUNT)
    cluster = Cluster(f"https://{host}:{port}", (account / "ca.crt").read_text(), (account / "token").read_text())
    SampleServer(("0.0.0.0", 8443), os.environ["CERTIFICATE"], cluster).serve_forever()


if __name__ == "__main__":
    main()
