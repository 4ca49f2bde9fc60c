"""lightkube: typed models, server-side apply, watches."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Node
from lightkube.types import PatchType


@pytest.fixture
def client(kubeconfig: Path, namespace: str) -> Client:
    return Client(config=KubeConfig.from_file(str(kubeconfig)), namespace=namespace, field_manager="me")


def test_objects_are_made_changed_and_deleted(client: Client) -> None:
    client.create(ConfigMap(metadata=ObjectMeta(name="mine"), data={"a": "1"}))
    client.patch(ConfigMap, "mine", {"data": {"b": "2"}}, patch_type=PatchType.MERGE)
    found = client.get(ConfigMap, "mine")
    assert found.data == {"a": "1", "b": "2"}
    found.data = {"c": "3"}
    client.replace(found)
    assert [each.data for each in client.list(ConfigMap, fields={"metadata.name": "mine"})] == [{"c": "3"}]
    client.delete(ConfigMap, "mine")
    with pytest.raises(ApiError) as gone:
        client.get(ConfigMap, "mine")
    assert gone.value.status.reason == "NotFound"


def test_apply_twice_and_by_another(client: Client) -> None:
    for value in ("1", "2"):
        client.apply(ConfigMap(metadata=ObjectMeta(name="mine"), data={"a": value}))
    with pytest.raises(ApiError) as conflict:
        client.apply(ConfigMap(metadata=ObjectMeta(name="mine"), data={"a": "3"}), field_manager="other")
    assert conflict.value.status.code == 409
    client.apply(ConfigMap(metadata=ObjectMeta(name="mine"), data={"a": "3"}), field_manager="other", force=True)


def test_a_deployment_becomes_available(client: Client) -> None:
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": "web"}), spec=PodSpec(containers=[Container(name="web", image="web")])
    )
    spec = DeploymentSpec(replicas=2, selector=LabelSelector(matchLabels={"app": "web"}), template=template)
    client.create(Deployment(metadata=ObjectMeta(name="web"), spec=spec))
    done = client.wait(Deployment, "web", for_conditions=["Available"])
    assert done.status is not None
    assert len(list(client.list(Node))) == 2
    scale = client.get(Deployment.Scale, "web")
    assert scale.spec is not None and scale.spec.replicas == 2
