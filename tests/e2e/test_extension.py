"""Servers inside Pods that extend the API: a webhook and an aggregated API server, both behind Services."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.e2e.harness import Cluster, eventually, pod

pytestmark = pytest.mark.real
SERVER = """
import base64, json, ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
RESOURCES = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "pods.example.com/v1", "resources": [
    {"name": "users", "singularName": "user", "namespaced": False, "kind": "User", "verbs": ["get"]}]}
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, document, status=200):
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        if self.path == "/apis/pods.example.com/v1":
            self.answer(RESOURCES)
        elif self.path.startswith("/apis/pods.example.com/v1/users/me") and self.connection.getpeercert():
            metadata = {"name": self.headers["X-Remote-User"]}
            groups = self.headers.get_all("X-Remote-Group")
            self.answer({"kind": "User", "apiVersion": "pods.example.com/v1", "metadata": metadata, "groups": groups})
        else:
            self.answer({"kind": "Status", "status": "Failure", "code": 404}, 404)
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        patch = [{"op": "add", "path": "/data/hooked", "value": "yes"}]
        response = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch",
                    "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        self.answer({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response})
    def log_message(self, *args):
        pass
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile="/config/clients.crt")
context.verify_mode = ssl.CERT_OPTIONAL
context.load_cert_chain("/certificate/tls.crt", "/certificate/tls.key")
server = ThreadingHTTPServer(("", 8443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
def bundle(cluster: Cluster) -> str:
    """The server runs and is ready; whom to trust, as a caBundle."""
    now = SystemEnv().now()
    authority = CertificateAuthority.create("extension", now)
    pair = authority.serving("extension", ["extension.default.svc"], now)
    known = cluster.json("get", "configmap", "-n", "kube-system", "extension-apiserver-authentication")
    secret = {"tls.crt": pair.certificate, "tls.key": pair.key}
    server = pod("extension", "python3", "-c", SERVER)
    server["spec"]["containers"][0] |= {
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "certificate", "mountPath": "/certificate"},
            {"name": "config", "mountPath": "/config"},
        ],
    }
    server["spec"]["volumes"] = [
        {"name": "certificate", "secret": {"secretName": "extension"}},
        {"name": "config", "configMap": {"name": "extension"}},
    ]
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "extension"},
            "data": {name: base64.b64encode(data).decode() for name, data in secret.items()},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "extension"},
            "data": {"clients.crt": known["data"]["requestheader-client-ca-file"]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "extension"},
            "spec": {"selector": {"app": "extension"}, "ports": [{"port": 443, "targetPort": 8443}]},
        },
        server,
    )
    cluster.wait_ready("extension")
    return base64.b64encode(authority.pair.certificate).decode()


def test_a_webhook_in_a_pod_is_asked_by_its_service(cluster: Cluster, bundle: str) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    service = {"namespace": "default", "name": "extension", "path": "/mutate"}
    webhook: dict[str, Any] = {
        "name": "hook.example.com",
        "clientConfig": {"service": service, "caBundle": bundle},
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "objectSelector": {"matchLabels": {"hook": "me"}},
    }
    configuration = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "hook"},
        "webhooks": [webhook],
    }
    asked = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "asked", "labels": {"hook": "me"}},
        "data": {},
    }
    asked["data"] = {"own": "value"}
    cluster.create(configuration, asked)
    assert cluster.json("get", "configmap", "asked")["data"] == {"own": "value", "hooked": "yes"}


def test_an_api_server_in_a_pod_answers_its_group_with_kubectl(cluster: Cluster, bundle: str, tmp_path: Path) -> None:
    spec = {
        "group": "pods.example.com",
        "version": "v1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 15,
        "service": {"namespace": "default", "name": "extension"},
        "caBundle": bundle,
    }
    name = "v1.pods.example.com"
    kind = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    cluster.create({**kind, "metadata": {"name": name}, "spec": spec})
    cluster.kubectl("wait", "--for=condition=Available", "--timeout=30s", "apiservice", name).ok()
    found = eventually(
        lambda: (done := cluster.kubectl("get", "users.pods.example.com", "me", "-o", "json")).code == 0 and done.out,
        20,
        "the resource in discovery",
    )
    me = json.loads(found)
    assert me["metadata"]["name"] == "kubernetes-admin"
    assert "system:masters" in me["groups"]
    assert "users" in cluster.kubectl("api-resources", "--api-group=pods.example.com").ok().out
