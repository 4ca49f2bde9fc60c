"""NodeMetrics and PodMetrics, from readings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podling.api.kinds.core.pod import Pod
from podling.api.quantity import NANO, Quantity
from podling.apiserver.metricsapi.readings import Reading, Usage
from podling.apiserver.metricsapi.simulated import LABEL
from podling.env import rfc3339

Json = dict[str, Any]
API_VERSION = "metrics.k8s.io/v1beta1"


def of_node(name: str, labels: Mapping[str, str], usage: Usage, at: float) -> Json:
    told = {"timestamp": rfc3339(at), "window": _window(usage.window), "usage": _amounts(usage)}
    return {"kind": "NodeMetrics", "apiVersion": API_VERSION, "metadata": _metadata(name, "", labels, at), **told}


def of_pod(pod: Pod, reading: Reading) -> Json | None:
    """None until every container that runs has been measured."""
    running = [each.name for each in pod.status.container_statuses if each.state.running is not None]
    used = {name: reading.containers.get((pod.metadata.uid, name)) for name in running}
    known = {name: usage for name, usage in used.items() if usage is not None}
    return _of_pod(pod, known, reading.at) if known and len(known) == len(used) else None


def of_simulated_pod(pod: Pod, usage: Usage, at: float) -> Json:
    found = _of_pod(pod, {each.name: usage for each in pod.spec.containers}, at)
    found["metadata"]["labels"] = {**found["metadata"].get("labels", {}), LABEL: "true"}
    return found


def _of_pod(pod: Pod, used: Mapping[str, Usage], at: float) -> Json:
    meta = pod.metadata
    window = next(iter(used.values())).window
    return {
        "kind": "PodMetrics",
        "apiVersion": API_VERSION,
        "metadata": _metadata(meta.name, meta.namespace, meta.labels, at),
        "timestamp": rfc3339(at),
        "window": _window(window),
        "containers": [{"name": name, "usage": _amounts(usage)} for name, usage in used.items()],
    }


def _metadata(name: str, namespace: str, labels: Mapping[str, str], at: float) -> Json:
    where = {"namespace": namespace} if namespace else {}
    carried = {"labels": dict(labels)} if labels else {}
    return {"name": name, **where, "creationTimestamp": rfc3339(at), **carried}


def _amounts(usage: Usage) -> Json:
    cpu, memory = Quantity(int(usage.cpu * NANO)), Quantity(usage.memory * NANO, "BinarySI")
    return {"cpu": str(cpu), "memory": str(memory)}


def _window(seconds: float) -> str:
    """As Go writes a duration."""
    return f"{round(seconds, 3):g}s"
