"""The bundle by which Pods trust the API server: a ClusterTrustBundle of its own signer.

Its name tells its content, so a new authority is a new bundle and the old one goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from podling.api.objects import Object, key_of
from podling.client.resources import CLUSTERTRUSTBUNDLES, NAMESPACES
from podling.reconcile.action import Create, Delete, Plan
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

SIGNER = "kubernetes.io/kube-apiserver-serving"
CERTIFICATE = "-----BEGIN CERTIFICATE-----"
ANCHOR = "kube-system"
"""There is one piece of work: it hangs on the namespace that every cluster has."""


def reconcile(found: Object, view: View) -> Plan:
    bundle = view.settings.root_ca
    if (
        CERTIFICATE not in bundle
        or view.served.of_plural(CLUSTERTRUSTBUNDLES.group, CLUSTERTRUSTBUNDLES.plural) is None
    ):
        return
    name = name_of(bundle)
    ours = [each for each in view.of(CLUSTERTRUSTBUNDLES).list() if each.view.spec.signer_name == SIGNER]
    if not any(each.head.name == name for each in ours):
        spec = {"signerName": SIGNER, "trustBundle": bundle}
        body = {"kind": "ClusterTrustBundle", "apiVersion": "certificates.k8s.io/v1", "metadata": {"name": name}}
        yield [Create(CLUSTERTRUSTBUNDLES, "", {**body, "spec": spec})]
    stale = [each for each in ours if each.head.name != name and not each.head.deleting]
    if stale:
        yield [Delete(CLUSTERTRUSTBUNDLES, "", each.head.name, each.head.uid) for each in stale]


def name_of(bundle: str) -> str:
    return f"{SIGNER.replace('/', ':')}:{hashlib.sha256(bundle.encode()).digest()[:12].hex()}"


def _anchor(bundle: Object, _: View) -> Iterable[str]:
    if bundle.view.spec.signer_name == SIGNER:
        yield key_of("", "namespaces", "", ANCHOR)


CONTROLLER = Controller(
    name="kube-apiserver-serving-clustertrustbundle-publisher",
    component="kube-apiserver-serving-clustertrustbundle-publisher-controller",
    reconcile=reconcile,
    resource=NAMESPACES,
    watches=(Watch(CLUSTERTRUSTBUNDLES, _anchor),),
    relevant=lambda found: found.head.name == ANCHOR,
)
