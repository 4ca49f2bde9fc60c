"""Secrets with tokens: filled, signed with, and gone in time."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from podling.client.resources import CONFIGMAPS, SECRETS, SERVICEACCOUNTS
from podling.controllers import bootstrapsigner, serviceaccounttokens, tokencleaner
from podling.env import rfc3339
from podling.pki.ca import new_signing_key
from podling.pki.tokens import TokenSigner
from podling.reconcile.view import Settings
from tests.controllers.world import NOW, World

SIGNER = TokenSigner(new_signing_key())
Json = dict[str, Any]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def world_with(account: bool = True, **annotations: str) -> World:
    world = World(settings=Settings(root_ca="PEM", token_signer=SIGNER.sign))
    if account:
        world.add(SERVICEACCOUNTS, {"metadata": {"name": "build", "uid": "u1"}})
    given = {"kubernetes.io/service-account.name": "build"} | annotations
    metadata = {"name": "build-token", "annotations": given}
    world.add(SECRETS, {"metadata": metadata, "type": serviceaccounttokens.TYPE})
    world.run(serviceaccounttokens.CONTROLLER)
    return world


def test_a_token_secret_gets_token_authority_and_namespace() -> None:
    world = world_with()
    data = {key: base64.b64decode(value).decode() for key, value in world.get(SECRETS, "build-token")["data"].items()}
    assert (data["namespace"], data["ca.crt"]) == ("default", "PEM")
    claims = SIGNER.verifier.verify(data["token"])
    assert claims["sub"] == "system:serviceaccount:default:build"
    assert claims["kubernetes.io/serviceaccount/service-account.uid"] == "u1" and "exp" not in claims
    written = len(world.done)
    world.run(serviceaccounttokens.CONTROLLER)
    assert len(world.done) == written == 1


def test_a_token_secret_goes_with_its_account() -> None:
    assert world_with(account=False).all(SECRETS) == []
    other = {"kubernetes.io/service-account.uid": "another"}
    assert world_with(**other).all(SECRETS) == []


def bootstrap(world: World, identity: str, **data: str) -> None:
    given = {"token-id": identity, "token-secret": "0123456789abcdef", **data}
    body = {
        "metadata": {"name": f"bootstrap-token-{identity}"},
        "type": "bootstrap.kubernetes.io/token",
        "data": {key: encoded(value) for key, value in given.items()},
    }
    world.add(SECRETS, body, namespace="kube-system")


@pytest.mark.parametrize(("ends", "gone"), [(NOW - 1, True), (NOW + 60, False)])
def test_a_bootstrap_token_goes_when_it_is_over(ends: float, gone: bool) -> None:
    world = World()
    bootstrap(world, "abcdef", expiration=rfc3339(ends))
    world.run(tokencleaner.CONTROLLER)
    assert (not world.all(SECRETS)) is gone
    assert gone or world.again[-1] == 60


def test_cluster_info_is_signed_with_every_token_that_is_for_signing() -> None:
    world = World()
    stale = {"jws-kubeconfig-gone00": "x", "kubeconfig": "content"}
    world.add(CONFIGMAPS, {"metadata": {"name": "cluster-info"}, "data": stale}, namespace="kube-public")
    bootstrap(world, "abcdef", **{"usage-bootstrap-signing": "true"})
    bootstrap(world, "fedcba")
    world.run(bootstrapsigner.CONTROLLER)
    data = world.get(CONFIGMAPS, "cluster-info", "kube-public")["data"]
    assert sorted(data) == ["jws-kubeconfig-abcdef", "kubeconfig"]
    header, payload, signature = data["jws-kubeconfig-abcdef"].split(".")
    assert base64.urlsafe_b64decode(header + "==") == b'{"alg":"HS256","kid":"abcdef"}'
    assert payload == "" and len(base64.urlsafe_b64decode(signature + "=")) == 32
