"""The root certificate: a ConfigMap `kube-root-ca.crt` in every namespace, by which Pods trust the API server."""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.objects import Object, key_of
from podling.client.resources import CONFIGMAPS, NAMESPACES
from podling.reconcile.action import Create, Plan, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

NAME = "kube-root-ca.crt"
DESCRIPTION = "kubernetes.io/description"
TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


def reconcile(found: Object, view: View) -> Plan:
    """Nothing without a certificate in the settings (a control plane without TLS, in tests)."""
    namespace, certificate = found.head.name, view.settings.root_ca
    if found.head.deleting or not certificate:
        return
    data = {"ca.crt": certificate}
    known = view.of(CONFIGMAPS).get(namespace, NAME)
    if known is None:
        metadata = {"name": NAME, "namespace": namespace, "annotations": {DESCRIPTION: TEXT}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        yield [Create(CONFIGMAPS, namespace, body)]
    elif known.view.data != data:
        yield [Update(CONFIGMAPS, namespace, NAME, known.json() | {"data": data})]


def _namespace(found: Object, _: View) -> Iterable[str]:
    if found.head.name == NAME:
        yield key_of(NAMESPACES.group, NAMESPACES.plural, "", found.head.namespace)


CONTROLLER = Controller(
    name="root-ca-certificate-publisher",
    component="root-ca-certificate-publisher",
    reconcile=reconcile,
    resource=NAMESPACES,
    watches=(Watch(CONFIGMAPS, _namespace),),
)
