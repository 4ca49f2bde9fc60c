"""Workloads for the tests of sig-apps, on nodes whose Pods are simulated, and what all of them can do."""

from __future__ import annotations

from collections.abc import Callable

from tests.conformance.kube import Json, Resource, conditions

TRIED: Json = {
    "type": "StatusUpdate",
    "status": "True",
    "reason": "E2E",
    "message": "set by a test",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}


def template(app: str, image: str = "runs") -> Json:
    spec = {"containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 0}
    return {"metadata": {"labels": {"app": app}}, "spec": spec}


def workload(name: str, replicas: int = 1, image: str = "runs", **spec: object) -> Json:
    """A Deployment, ReplicaSet, StatefulSet or (without replicas) DaemonSet."""
    counted = {"replicas": replicas} if replicas >= 0 else {}
    selector = {"matchLabels": {"app": name}}
    inner = {**counted, "selector": selector, "template": template(name, image), **spec}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": inner}


def replication_controller(name: str, replicas: int = 1, image: str = "runs") -> Json:
    spec = {"replicas": replicas, "selector": {"app": name}, "template": template(name, image)}
    return {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def pod(name: str, app: str) -> Json:
    return {"metadata": {"name": name, "labels": {"app": app}}, "spec": template(app)["spec"]}


def ready(count: int, field: str = "readyReplicas") -> Callable[[Json], bool]:
    return lambda body: body["status"].get(field, 0) == count


def owned_by(kind: str, name: str) -> Callable[[Json], bool]:
    def holds(body: Json) -> bool:
        owners = body["metadata"].get("ownerReferences", [])
        return [(each["kind"], each["name"]) for each in owners if each.get("controller")] == [(kind, name)]

    return holds


def unowned(body: Json) -> bool:
    return not body["metadata"].get("ownerReferences")


def scaled(resource: Resource, name: str) -> None:
    """Read, replaced and patched through the scale subresource."""
    scale = resource.get(name, "scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"]["replicas"] == 1
    scale["spec"]["replicas"] = 2
    assert resource.replace(scale, "scale")["spec"]["replicas"] == 2
    assert resource.get(name)["spec"]["replicas"] == 2
    patched = resource.patch(name, {"spec": {"replicas": 4}}, subresource="scale")
    assert patched["spec"]["replicas"] == 4
    resource.until(name, ready(4))


def status_by_itself(resource: Resource, name: str) -> None:
    """Conditions written through the status path are seen by a watch, and the spec is not touched."""
    spec = resource.get(name)["spec"]
    with resource.watch(fieldSelector=f"metadata.name={name}") as watch:

        def add(body: Json) -> None:
            body["status"].setdefault("conditions", []).append(dict(TRIED))

        assert "StatusUpdate" in conditions(resource.change(name, add, "status"))
        watch.until("MODIFIED", lambda body: "StatusUpdate" in conditions(body))
        resource.patch(name, {"status": {"conditions": [TRIED | {"type": "StatusPatched"}]}}, subresource="status")
        watch.until("MODIFIED", lambda body: "StatusPatched" in conditions(body))
    assert resource.get(name)["spec"] == spec


def image(body: Json) -> str:
    found: str = body["spec"]["containers"][0]["image"]
    return found
