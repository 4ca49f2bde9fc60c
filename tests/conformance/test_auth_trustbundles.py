"""sig-auth: trust bundles as files of Pods. What a Pod would read is what the kubelet has written into its volume."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from podling.env import SystemEnv
from podling.pki.ca import CertificateAuthority
from tests.conformance.kube import Json, Kube, eventually
from tests.conformance.world import World

FEATURE = "[sig-auth] [FeatureGate:ClusterTrustBundle] [FeatureGate:ClusterTrustBundleProjection]"
LIST = "[MinimumKubeletVersion:1.37] [Conformance]"
MANY = f"{FEATURE} should be capable to mount multiple trust bundles by signer+labels"
PREVENT = f"{FEATURE} should prevent a pod from starting if:"
ONE, TWO = "test.test/signer-one", "test.test/signer-two"


@cache
def authority(number: int) -> str:
    return CertificateAuthority.create(f"ctb-{number}", SystemEnv().now()).pair.certificate.decode()


@pytest.fixture
def bundles(kube: Kube) -> Iterator[None]:
    """Two bundles of each signer, one of them alive; and one of nobody."""
    resource = kube.at("certificates.k8s.io/v1/clustertrustbundles")
    number = 0
    for signer in (ONE, TWO):
        for state in ("live", "dead"):
            name = f"{signer.replace('/', ':')}:{state}"
            labels = {"signer.alive": str(state == "live").lower(), "ctb": "test"}
            spec = {"signerName": signer, "trustBundle": authority(number)}
            resource.create({"metadata": {"name": name, "labels": labels}, "spec": spec})
            number += 1
    body = {"metadata": {"name": "nobodys", "labels": {"ctb": "test"}}, "spec": {"trustBundle": authority(number)}}
    resource.create(body)
    yield
    resource.delete_all(labelSelector="ctb=test")


def pod(*sources: Json) -> Json:
    """A Pod with a volume for each source."""
    volumes = [
        {"name": f"v{index}", "projected": {"sources": [{"clusterTrustBundle": {"path": "ca.pem", **each}}]}}
        for index, each in enumerate(sources)
    ]
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "runs"}], "volumes": volumes}}


def shown(world: World, kube: Kube, namespace: str, *sources: Json) -> list[set[str]]:
    """The certificates in the volumes of a Pod that runs."""
    pods = kube.at("v1/pods", namespace)
    made = pods.create(pod(*sources))
    pods.until("p", lambda found: found["status"]["phase"] == "Running")
    files = sorted(world.folder.glob(f"*/pods/{made['metadata']['uid']}/volumes/v*/ca.pem"), key=str)
    assert len(files) == len(sources)
    return [certificates(file) for file in files]


def certificates(file: Path) -> set[str]:
    end = "-----END CERTIFICATE-----\n"
    return {part + end for part in file.read_text().split(end) if part.strip()}


def refused(kube: Kube, namespace: str, source: Json, why: str) -> None:
    """The Pod does not start, and an Event says why."""
    kube.at("v1/pods", namespace).create(pod(source))
    events = kube.at("v1/events", namespace)

    def told() -> Any:
        return [each for each in events.items() if each["reason"] == "FailedMount" and why in each["message"]]

    eventually(told, events.items)
    assert kube.at("v1/pods", namespace).get("p")["status"]["phase"] == "Pending"


@pytest.mark.conformance(f"{FEATURE} should be able to mount a single ClusterTrustBundle by name {LIST}")
def test_one_by_name(world: World, kube: Kube, namespace: str, bundles: None) -> None:
    assert shown(world, kube, namespace, {"name": "test.test:signer-one:live"}) == [{authority(0)}]


@pytest.mark.conformance(f"{FEATURE} should be able to specify multiple CTB volumes {LIST}")
def test_several_volumes(world: World, kube: Kube, namespace: str, bundles: None) -> None:
    sources = [{"name": "test.test:signer-two:live"}, {"signerName": ONE, "labelSelector": {}}]
    assert shown(world, kube, namespace, *sources) == [{authority(2)}, {authority(0), authority(1)}]


@pytest.mark.conformance(f"{MANY} can combine all signer CTBs with an empty label selector {LIST}")
def test_all_of_a_signer(world: World, kube: Kube, namespace: str, bundles: None) -> None:
    source = {"signerName": TWO, "labelSelector": {}}
    assert shown(world, kube, namespace, source) == [{authority(2), authority(3)}]


@pytest.mark.conformance(f"{MANY} can combine multiple CTBs with signer name and label selector {LIST}")
def test_some_of_a_signer(world: World, kube: Kube, namespace: str, bundles: None) -> None:
    source = {"signerName": ONE, "labelSelector": {"matchLabels": {"signer.alive": "false"}}}
    assert shown(world, kube, namespace, source) == [{authority(1)}]


@pytest.mark.conformance(
    f"{MANY} should start if only signer name and explicit label selector matches nothing + optional=true {LIST}"
)
def test_a_selector_that_chooses_nothing_leaves_an_empty_file(
    world: World, kube: Kube, namespace: str, bundles: None
) -> None:
    selector = {"matchLabels": {"thismatches": "nothing"}}
    source = {"signerName": ONE, "labelSelector": selector, "optional": True}
    assert shown(world, kube, namespace, source) == [set()]


@pytest.mark.conformance(f"{MANY} should start if only signer name and nil label selector + optional=true {LIST}")
def test_no_selector_chooses_nothing(world: World, kube: Kube, namespace: str, bundles: None) -> None:
    assert shown(world, kube, namespace, {"signerName": ONE, "optional": True}) == [set()]


@pytest.mark.conformance(f"{FEATURE} should be able to mount a big number (>100) of CTBs {LIST}")
def test_a_hundred_and_one_bundles(world: World, kube: Kube, namespace: str) -> None:
    resource = kube.at("certificates.k8s.io/v1/clustertrustbundles")
    for number in range(101):
        metadata = {"name": f"{TWO.replace('/', ':')}:{number}", "labels": {"ctb": "many"}}
        resource.create({"metadata": metadata, "spec": {"signerName": TWO, "trustBundle": authority(number)}})
    try:
        (found,) = shown(world, kube, namespace, {"signerName": TWO, "labelSelector": {"matchLabels": {"ctb": "many"}}})
    finally:
        resource.delete_all(labelSelector="ctb=many")
    assert found == {authority(number) for number in range(101)}


@pytest.mark.conformance(f"{PREVENT} sets optional=false and no trust bundle matches query {LIST}")
def test_a_pod_waits_for_what_it_needs(kube: Kube, namespace: str, bundles: None) -> None:
    source = {"signerName": "test.test/nobody", "labelSelector": {}, "optional": False}
    refused(kube, namespace, source, "combination of signerName and labelSelector matched zero ClusterTrustBundles")


@pytest.mark.conformance(f"{PREVENT} sets optional=false and the configured CTB does not exist {LIST}")
def test_a_pod_waits_for_the_bundle_it_names(kube: Kube, namespace: str) -> None:
    refused(kube, namespace, {"name": "does-not-exist", "optional": False}, '"does-not-exist" not found')
