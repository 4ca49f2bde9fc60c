"""Images from a registry of this machine that wants to know who asks."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from tests.conformance.containers.pods import finished, pod
from tests.conformance.containers.test_node_security import waits
from tests.conformance.kube import Json, Kube
from tests.runtime.imagefiles import layer
from tests.runtime.registries import Private, published, registry


@pytest.fixture(scope="module")
def private() -> Iterator[str]:
    """host:port; the image `a/b:1` there is a file and nothing else."""
    with registry(published(layer(file="pulled\n")), Private) as host:
        yield host


def key(host: str, password: str = "secret") -> Json:
    """A pull secret."""
    entry = {"username": "me", "password": password, "auth": base64.b64encode(f"me:{password}".encode()).decode()}
    text = base64.b64encode(json.dumps({"auths": {host: entry}}).encode()).decode()
    return {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": text}}


def showing(host: str, **spec: object) -> Json:
    """A Pod that reads the image's file from a volume."""
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volume = {"name": "v", "image": {"reference": f"{host}/a/b:1", "pullPolicy": "Always"}}
    return pod("p", "cat /v/file", container=container, volumes=[volume], **spec)


def test_a_pull_without_a_secret_is_denied(kube: Kube, namespace: str, private: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(showing(private))
    found = pods.until("p", lambda each: waits("ErrImagePull")(each) or waits("ImagePullBackOff")(each))
    assert "failed to authorize" in found["status"]["containerStatuses"][0]["state"]["waiting"]["message"]


def test_a_pull_secret_opens_the_registry(kube: Kube, namespace: str, private: str) -> None:
    secrets = kube.at("v1/secrets", namespace)
    secrets.create({"metadata": {"name": "wrong"}, **key(private, "wrong")})
    secrets.create({"metadata": {"name": "key"}, **key(private)})
    body = showing(private, imagePullSecrets=[{"name": "wrong"}, {"name": "key"}])
    assert finished(kube, namespace, body) == "pulled\n"
    told = [event["message"] for event in kube.at("v1/events", namespace).items(fieldSelector="reason=Pulled")]
    assert any(f'Successfully pulled image "{private}/a/b:1" in ' in message for message in told)


def test_the_service_accounts_pull_secret_does_too(kube: Kube, namespace: str, private: str) -> None:
    kube.at("v1/secrets", namespace).create({"metadata": {"name": "key"}, **key(private)})
    kube.at("v1/serviceaccounts", namespace).patch("default", {"imagePullSecrets": [{"name": "key"}]})
    assert finished(kube, namespace, showing(private)) == "pulled\n"
