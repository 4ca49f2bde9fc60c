"""sig-auth: tokens in Pods. Who wants none gets none; what a Pod would read is what the kubelet has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.kube import Json, Kube
from tests.conformance.world import World

PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
SAID = {"default": None, "mount": True, "nomount": False}


@pytest.mark.conformance("[sig-auth] ServiceAccounts should allow opting out of API token automount [Conformance]")
def test_tokens_may_be_declined(kube: Kube, namespace: str) -> None:
    accounts, pods = kube.at("v1/serviceaccounts", namespace), kube.at("v1/pods", namespace)
    for name, said in SAID.items():
        body: Json = {"metadata": {"name": f"sa-{name}"}}
        accounts.create(body if said is None else body | {"automountServiceAccountToken": said})
    for account, by_account in SAID.items():
        for wish, by_pod in SAID.items():
            spec: Json = {"serviceAccountName": f"sa-{account}", "containers": [{"name": "c", "image": "runs"}]}
            spec |= {} if by_pod is None else {"automountServiceAccountToken": by_pod}
            made = pods.create({"metadata": {"name": f"pod-{account}-{wish}"}, "spec": spec})
            mounts = [each["mountPath"] for each in made["spec"]["containers"][0].get("volumeMounts", ())]
            wanted = by_pod if by_pod is not None else by_account is not False
            assert (PATH in mounts) is wanted, (account, wish)


def mounted(world: World, kube: Kube, namespace: str, body: Json, file: str) -> Path:
    """A file of the Pod's volumes, once it runs."""
    pods = kube.at("v1/pods", namespace)
    made = pods.create(body)
    pods.until(made["metadata"]["name"], lambda found: found["status"]["phase"] == "Running")
    (found,) = world.folder.glob(f"*/pods/{made['metadata']['uid']}/volumes/*/{file}")
    return found


def review(kube: Kube, token: str) -> Json:
    reviews = kube.at("authentication.k8s.io/v1/tokenreviews")
    return dict(reviews.create({"spec": {"token": token}})["status"])


@pytest.mark.conformance("[sig-auth] ServiceAccounts should mount an API token into pods [Conformance]")
def test_a_pod_finds_its_token(world: World, kube: Kube, namespace: str) -> None:
    kube.at("v1/serviceaccounts", namespace).create({"metadata": {"name": "mount-test"}})
    container = {"name": "test", "image": "runs"}
    body = {"metadata": {"name": "p"}, "spec": {"serviceAccountName": "mount-test", "containers": [container]}}
    file = mounted(world, kube, namespace, body, "token")
    assert (file.parent / "namespace").read_text() == namespace
    published = kube.at("v1/configmaps", namespace).get("kube-root-ca.crt")
    assert (file.parent / "ca.crt").read_text() == published["data"]["ca.crt"]
    status = review(kube, file.read_text())
    assert status["authenticated"] and not status.get("error")
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:mount-test"
    assert {"system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}"} == set(
        status["user"]["groups"]
    )
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]


@pytest.mark.conformance("[sig-auth] ServiceAccounts should mount projected service account token [Conformance]")
def test_a_pod_finds_a_token_where_it_wants_one(world: World, kube: Kube, namespace: str) -> None:
    source = {"serviceAccountToken": {"path": "test_token", "expirationSeconds": 3600}}
    volume = {"name": "vol", "projected": {"defaultMode": 0o400, "sources": [source]}}
    container = {"name": "c", "image": "runs", "volumeMounts": [{"name": "vol", "mountPath": "/test-volume"}]}
    body = {"metadata": {"name": "p"}, "spec": {"containers": [container], "volumes": [volume]}}
    file = mounted(world, kube, namespace, body, "test_token")
    assert review(kube, file.read_text())["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    assert file.stat().st_mode & 0o777 == 0o400
