"""Pods of real containers, told in a line, and what their containers wrote."""

from __future__ import annotations

from tests.conformance.kube import Json, Kube

IMAGE = "host:1"


def pod(name: str, script: str, **spec: object) -> Json:
    """A Pod whose one container `c` runs a shell script once; keys of the container go to `container={…}`."""
    extra = spec.pop("container", {})
    assert isinstance(extra, dict)
    container = {"name": "c", "image": IMAGE, "command": ["sh", "-c", script], **extra}
    inner = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container], **spec}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": inner}


def log(kube: Kube, namespace: str, name: str, container: str = "c", **query: object) -> str:
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/log"
    return kube.raw("GET", path, container=container, **query).text


def finished(kube: Kube, namespace: str, body: Json, phase: str = "Succeeded") -> str:
    """Create the Pod, wait until it has ended like this, and return the log of its container `c`."""
    pods = kube.at("v1/pods", namespace)
    name = pods.create(body)["metadata"]["name"]
    pods.until(name, lambda found: found["status"].get("phase") in ("Succeeded", "Failed"))
    text = log(kube, namespace, name)
    assert pods.get(name)["status"]["phase"] == phase, text
    return text
