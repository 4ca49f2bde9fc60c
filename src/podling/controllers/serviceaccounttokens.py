"""Secrets of type kubernetes.io/service-account-token: filled with a token that has no end, gone with their account.

Nobody gets such a token unasked any more; who makes the Secret by hand finds token, authority and namespace in it
(Kubernetes documentation, "Managing Service Accounts", long-lived API tokens).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from podling.api.objects import Object
from podling.client.resources import SECRETS, SERVICEACCOUNTS
from podling.reconcile.action import Absent, Delete, Plan, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

TYPE = "kubernetes.io/service-account-token"
ACCOUNT, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
ISSUER, CLAIM = "kubernetes/serviceaccount", "kubernetes.io/serviceaccount/"


def reconcile(found: Object, view: View) -> Plan:
    if found.head.deleting:
        return
    annotations = found.view.metadata.annotations
    name, wanted = annotations.get(ACCOUNT, ""), annotations.get(UID, "")
    namespace = found.head.namespace
    account = view.of(SERVICEACCOUNTS).get(namespace, name)
    if account is None or wanted not in ("", account.head.uid):
        yield [Absent(SERVICEACCOUNTS, namespace, name, wanted)]
        yield [Delete(SECRETS, namespace, found.head.name, found.head.uid)]
        return
    body = found.json()
    if _fill(body, account, view):
        yield [Update(SECRETS, namespace, found.head.name, body)]


def _fill(body: dict[str, Any], account: Object, view: View) -> bool:
    """Whether anything was missing."""
    data, annotations = body.setdefault("data", {}), body["metadata"].setdefault("annotations", {})
    before = dict(data), dict(annotations)
    annotations[UID] = account.head.uid
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    data["namespace"] = _encoded(namespace)
    if view.settings.root_ca:
        data["ca.crt"] = _encoded(view.settings.root_ca)
    if not data.get("token") and view.settings.token_signer is not None:
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{namespace}:{account.head.name}",
            f"{CLAIM}namespace": namespace,
            f"{CLAIM}secret.name": name,
            f"{CLAIM}service-account.name": account.head.name,
            f"{CLAIM}service-account.uid": account.head.uid,
        }
        data["token"] = _encoded(view.settings.token_signer(claims))
    return before != (data, annotations)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _secrets(account: Object, view: View) -> Iterable[str]:
    for secret in view.of(SECRETS).list(account.head.namespace):
        if _relevant(secret) and secret.view.metadata.annotations.get(ACCOUNT) == account.head.name:
            yield secret.key


def _relevant(found: Object) -> bool:
    return found.head.fields.get("type") == TYPE


CONTROLLER = Controller(
    name="serviceaccount-token",
    component="serviceaccount-token-controller",
    reconcile=reconcile,
    resource=SECRETS,
    watches=(Watch(SERVICEACCOUNTS, _secrets),),
    relevant=_relevant,
)
