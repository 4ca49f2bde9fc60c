"""ConfigMap kube-public/cluster-info: signed with every bootstrap token, so that a newcomer can trust what it reads.

The signature is a detached JSON Web Signature (HS256) of the kubeconfig in it; who knows the token can check it before
trusting the authority it names (KEP-2227).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

from podling.api.objects import Object, key_of
from podling.client.resources import CONFIGMAPS, SECRETS
from podling.reconcile.action import Plan, Update
from podling.reconcile.bootstrapping import NAMESPACE, is_token, token_of
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

PLACE, NAME = "kube-public", "cluster-info"
CONTENT, SIGNATURE = "kubeconfig", "jws-kubeconfig-"


def reconcile(found: Object, view: View) -> Plan:
    data = dict(found.json().get("data") or {})
    content = data.get(CONTENT)
    if found.head.deleting or not content:
        return
    tokens = [token_of(each) for each in view.of(SECRETS).list(NAMESPACE) if is_token(each) and not each.head.deleting]
    wanted = {key: value for key, value in data.items() if not key.startswith(SIGNATURE)}
    for token in tokens:
        if token.signing and token.id and token.secret and (token.ends is None or token.ends > view.now):
            wanted[f"{SIGNATURE}{token.id}"] = signature(content, token.id, token.secret)
    if wanted != data:
        yield [Update(CONFIGMAPS, PLACE, NAME, found.json() | {"data": wanted})]


def signature(content: str, identity: str, secret: str) -> str:
    """Header and signature with nothing between them."""
    header = _encoded(b'{"alg":"HS256","kid":"%s"}' % identity.encode())
    payload = _encoded(content.encode())
    digest = hmac.new(f"{identity}.{secret}".encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
    return f"{header}..{_encoded(digest)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signed(secret: Object, _: View) -> Iterable[str]:
    if is_token(secret):
        yield key_of("", "configmaps", PLACE, NAME)


CONTROLLER = Controller(
    name="bootstrap-signer",
    component="bootstrap-signer",
    reconcile=reconcile,
    resource=CONFIGMAPS,
    watches=(Watch(SECRETS, _signed),),
    relevant=lambda found: (found.head.namespace, found.head.name) == (PLACE, NAME),
)
