"""Certificate requests: what is signed, what is refused, what is cleaned away; and the authority's bundle."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509

from podling.client.resources import CERTIFICATESIGNINGREQUESTS, CLUSTERTRUSTBUNDLES, NAMESPACES, PODCERTIFICATEREQUESTS
from podling.controllers import csrapproving, csrcleaner, csrsigning, podcertificaterequestcleaner, trustbundle
from podling.env import rfc3339
from podling.pki.ca import CertificateAuthority
from podling.pki.requests import RequestSigner, Wanted
from podling.reconcile.signing import kubelet_client, kubelet_serving
from podling.reconcile.view import Settings
from tests.controllers.world import NOW, World
from tests.pki.wishes import request_of

Json = dict[str, Any]
AUTHORITY = CertificateAuthority.create("test", NOW)
HOUR = 3600.0
CLIENT = "kubernetes.io/kube-apiserver-client"


def condition(type_: str, age: float = 0.0) -> Json:
    return {"type": type_, "status": "True", "reason": "x", "lastUpdateTime": rfc3339(NOW - age)}


def world_with(*conditions: Json, age: float = 0.0, certificate: str = "", **spec: Any) -> World:
    settings = Settings(root_ca=AUTHORITY.pair.certificate.decode(), signer=RequestSigner(AUTHORITY).sign)
    world = World(settings=settings)
    given = {"request": request_of("jane"), "signerName": CLIENT, "usages": ["client auth"], **spec}
    status: Json = {"conditions": list(conditions)} | ({"certificate": certificate} if certificate else {})
    metadata = {"name": "wish", "creationTimestamp": rfc3339(NOW - age)}
    world.add(CERTIFICATESIGNINGREQUESTS, {"metadata": metadata, "spec": given, "status": status})
    return world


def signed(world: World) -> x509.Certificate | None:
    world.run(csrsigning.CONTROLLER)
    text = world.get(CERTIFICATESIGNINGREQUESTS, "wish")["status"].get("certificate")
    return x509.load_pem_x509_certificate(base64.b64decode(text)) if text else None


def test_what_is_approved_is_signed_for_a_year() -> None:
    found = signed(world_with(condition("Approved")))
    assert found is not None
    assert found.subject.rfc4514_string() == "CN=jane"
    assert found.not_valid_after_utc.timestamp() == NOW + 365 * 86400
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(AUTHORITY.pair.certificate))


@pytest.mark.parametrize(("asked", "given"), [(60, 600), (7200, 7200), (10**9, 365 * 86400)])
def test_a_shorter_life_is_granted_within_bounds(asked: int, given: int) -> None:
    found = signed(world_with(condition("Approved"), expirationSeconds=asked))
    assert found is not None and found.not_valid_after_utc.timestamp() == NOW + given


@pytest.mark.parametrize(
    ("conditions", "spec"),
    [
        ((), {}),
        ((condition("Denied"),), {}),
        ((condition("Approved"), condition("Failed")), {}),
        ((condition("Approved"),), {"signerName": "example.com/other"}),
    ],
    ids=["pending", "denied", "failed", "another signer"],
)
def test_nothing_else_is_signed(conditions: tuple[Json, ...], spec: Json) -> None:
    assert signed(world_with(*conditions, **spec)) is None


NODE = Wanted("system:node:n1", ("system:nodes",))
CLIENT_USAGES, SERVING_USAGES = ("digital signature", "client auth"), ("digital signature", "server auth")


@pytest.mark.parametrize(
    ("wanted", "usages", "why"),
    [
        (NODE, CLIENT_USAGES, ""),
        (NODE, (*CLIENT_USAGES, "key encipherment"), ""),
        (Wanted("system:node:n1", ("other",)), CLIENT_USAGES, "subject organization is not system:nodes"),
        (Wanted("jane", ("system:nodes",)), CLIENT_USAGES, "subject common name does not begin with system:node:"),
        (
            Wanted("system:node:n1", ("system:nodes",), dns_names=("x",)),
            CLIENT_USAGES,
            "DNS subjectAltNames are not allowed",
        ),
        (NODE, SERVING_USAGES, "usages did not match [client auth digital signature]"),
    ],
)
def test_a_kubelets_client_certificate_names_a_node_and_nothing_else(
    wanted: Wanted, usages: tuple[str, ...], why: str
) -> None:
    assert kubelet_client(wanted, usages) == why


def test_a_kubelets_serving_certificate_needs_a_name() -> None:
    assert kubelet_serving(NODE, SERVING_USAGES) == "DNS or IP subjectAltName is required"
    named = Wanted("system:node:n1", ("system:nodes",), addresses=("10.0.0.1",))
    assert kubelet_serving(named, SERVING_USAGES) == ""


@pytest.mark.parametrize(
    ("world", "gone"),
    [
        (world_with(age=23 * HOUR), False),
        (world_with(age=25 * HOUR), True),
        (world_with(condition("Denied", 0.5 * HOUR)), False),
        (world_with(condition("Denied", 1.5 * HOUR)), True),
        (world_with(condition("Approved", 30 * HOUR), age=30 * HOUR), False),
        (world_with(condition("Approved", 2 * HOUR), certificate="eA=="), True),
        (world_with(condition("Failed", 2 * HOUR)), True),
    ],
    ids=["pending", "forgotten", "denied", "denied long ago", "never signed", "signed long ago", "failed"],
)
def test_answered_requests_go_after_an_hour_and_others_after_a_day(world: World, gone: bool) -> None:
    world.run(csrcleaner.CONTROLLER)
    assert (not world.all(CERTIFICATESIGNINGREQUESTS)) is gone


def test_a_request_of_another_signer_is_no_ones_to_approve() -> None:
    world = world_with()
    world.run(csrapproving.CONTROLLER)
    assert world.done == []


def test_a_new_authority_is_a_new_bundle_and_the_old_one_goes() -> None:
    world = world_with()
    world.add(NAMESPACES, {"metadata": {"name": "kube-system"}})
    world.run(trustbundle.CONTROLLER)
    (first,) = world.all(CLUSTERTRUSTBUNDLES)
    another = CertificateAuthority.create("another", NOW).pair.certificate.decode()
    world.settings = Settings(root_ca=another)
    world.run(trustbundle.CONTROLLER)
    (second,) = world.all(CLUSTERTRUSTBUNDLES)
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert second["spec"] == {"signerName": trustbundle.SIGNER, "trustBundle": another}


@pytest.mark.parametrize(("age", "gone"), [(800.0, False), (901.0, True)])
def test_a_pods_request_for_a_certificate_goes_after_a_quarter_of_an_hour(age: float, gone: bool) -> None:
    world = World()
    metadata = {"name": "p", "creationTimestamp": rfc3339(NOW - age)}
    world.add(PODCERTIFICATEREQUESTS, {"metadata": metadata, "spec": {}})
    world.run(podcertificaterequestcleaner.CONTROLLER)
    assert (not world.all(PODCERTIFICATEREQUESTS)) is gone
