"""kr8s: objects that know how to wait, scale and be watched."""

from __future__ import annotations

from pathlib import Path

import kr8s
import pytest
from kr8s.objects import ConfigMap, Deployment, Pod, new_class

pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version v1.37.1 is not supported")
"""kr8s names the releases it was tried with; this one is newer."""


def test_objects_are_made_changed_and_deleted(kubeconfig: Path, namespace: str) -> None:
    api = kr8s.api(kubeconfig=str(kubeconfig), namespace=namespace)
    mine = ConfigMap({"metadata": {"name": "mine", "namespace": namespace}, "data": {"a": "1"}}, api=api)
    mine.create()
    assert mine.exists()
    mine.patch({"data": {"b": "2"}})
    mine.label({"tier": "web"})
    found = list(kr8s.get("configmaps", label_selector="tier=web", namespace=namespace, api=api))
    assert [each.raw["data"] for each in found] == [{"a": "1", "b": "2"}]
    mine.delete()
    mine.wait("delete", timeout=10)
    with pytest.raises(kr8s.NotFoundError):
        ConfigMap.get("mine", namespace=namespace, api=api)


def test_a_deployment_is_scaled_and_its_pods_become_ready(kubeconfig: Path, namespace: str) -> None:
    api = kr8s.api(kubeconfig=str(kubeconfig), namespace=namespace)
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    web = Deployment({"metadata": {"name": "web", "namespace": namespace}, "spec": spec}, api=api)
    web.create()
    web.scale(2)
    web.wait("condition=Available", timeout=20)
    pods = web.pods()
    assert len(pods) == 2
    for pod in pods:
        pod.wait("condition=Ready", timeout=20)
        assert isinstance(pod, Pod) and pod.ready()


def test_the_api_is_discovered_and_asked(kubeconfig: Path, namespace: str) -> None:
    api = kr8s.api(kubeconfig=str(kubeconfig), namespace=namespace)
    assert api.version()["gitVersion"] == "v1.37.1"
    assert "Deployment" in {each["kind"] for each in api.api_resources()}
    assert api.whoami() == "kubernetes-admin"
    lease = new_class("Lease", version="coordination.k8s.io/v1", namespaced=True)
    made = lease({"metadata": {"name": "mine", "namespace": namespace}, "spec": {"holderIdentity": "me"}}, api=api)
    made.create()
    assert made.raw["spec"]["holderIdentity"] == "me"
