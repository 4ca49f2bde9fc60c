"""Defaults of Pods and of the Pod templates inside workloads.

Templates get what every Pod spec gets; a Pod itself gets a little more (requests from limits, service links), which
must not show up in templates, because a template's change is a roll-out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from podling.api.kinds.kind import Json

# Every field of a volume but its name is a source.
_MODE_OWNERS: Final = ("secret", "configMap", "downwardAPI", "projected")
_FILE_MODE: Final = 0o644
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_DEFAULTS: Final = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def fill(obj: Json, name: str, default: Any) -> None:
    """Sets a field that is absent or at its zero."""
    if not obj.get(name):
        obj[name] = default


def image_tag(image: str) -> str:
    """`latest` where neither tag nor digest is given; empty for a digest alone."""
    rest, _, digest = image.partition("@")
    tag = rest.rpartition("/")[2].partition(":")[2]
    return tag or ("" if digest else "latest")


def pull_policy(image: str) -> str:
    return "Always" if image_tag(image) == "latest" else "IfNotPresent"


def pod(obj: Json) -> None:
    """Defaults of a Pod, in place."""
    spec = obj.setdefault("spec", {})
    pod_spec(spec)
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        _requests_from_limits(container)
        if spec.get("hostNetwork"):
            for port in container.get("ports") or ():
                fill(port, "hostPort", port.get("containerPort", 0))
    if spec.get("resources"):
        _requests_from_limits(spec)
    spec.setdefault("enableServiceLinks", True)
    status = obj.get("status") or {}
    if status.get("podIP") and not status.get("podIPs"):
        status["podIPs"] = [{"ip": status["podIP"]}]


def template(obj: Json) -> None:
    """Defaults of a PodTemplateSpec, in place."""
    pod_spec(obj.setdefault("spec", {}))


def pod_spec(spec: Json) -> None:
    fill(spec, "dnsPolicy", "ClusterFirst")
    fill(spec, "restartPolicy", "Always")
    fill(spec, "schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    # The old name of the field follows the new one, in both directions.
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in spec.get("volumes") or ():
        _volume(volume)
    for container in containers(spec):
        _container(container)


def containers(spec: Json) -> Iterator[Json]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def _requests_from_limits(owner: Json) -> None:
    resources = owner.get("resources") or {}
    if limits := resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _container(container: Json) -> None:
    fill(container, "imagePullPolicy", pull_policy(container.get("image", "")))
    fill(container, "terminationMessagePath", "/dev/termination-log")
    fill(container, "terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        fill(port, "protocol", "TCP")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if "fieldRef" in source:
            fill(source["fieldRef"], "apiVersion", "v1")
        if "resourceFieldRef" in source:
            fill(source["resourceFieldRef"], "divisor", "0")
    for name in _PROBES:
        if name in container:
            _probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _http_get(handler)


def _probe(probe: Json) -> None:
    for name, default in _PROBE_DEFAULTS.items():
        fill(probe, name, default)
    _http_get(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _http_get(handler: Json) -> None:
    if "httpGet" in handler:
        fill(handler["httpGet"], "path", "/")
        fill(handler["httpGet"], "scheme", "HTTP")


def _volume(volume: Json) -> None:
    sources = [name for name in volume if name != "name"]
    if not sources:
        volume["emptyDir"] = {}
        return
    for name in _MODE_OWNERS:
        if name in volume:
            volume[name].setdefault("defaultMode", _FILE_MODE)
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    if "image" in volume:
        fill(volume["image"], "pullPolicy", pull_policy(volume["image"].get("reference", "")))
    if "ephemeral" in volume:
        claim = (volume["ephemeral"].get("volumeClaimTemplate") or {}).get("spec")
        if claim is not None:
            claim.setdefault("volumeMode", "Filesystem")
    _downward_items(volume.get("downwardAPI") or {})
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        _downward_items(source.get("downwardAPI") or {})


def _downward_items(source: Json) -> None:
    for item in source.get("items") or ():
        if "fieldRef" in item:
            fill(item["fieldRef"], "apiVersion", "v1")
        if "resourceFieldRef" in item:
            fill(item["resourceFieldRef"], "divisor", "0")
