"""What is allowed and yet probably not meant: the Warnings that writes of Pods, templates and volumes bring along.

The texts are upstream's. They are told for what is new: a Pod that had its old label yesterday is left in peace by the
update of today only where upstream leaves it, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

from podling.api import names, quantity
from podling.api.kinds.core import likeness

Json = dict[str, Any]

OLD_LABELS: Final[Mapping[str, str]] = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
OLD_VOLUMES: Final[Mapping[str, str]] = {
    "gitRepo": "deprecated in v1.11",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
}
_SECCOMP: Final = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
CLASS_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
_NAME: Final = "can result in surprising behavior; a DNS label is recommended: "


def pod(obj: Json, old: Json | None) -> list[str]:
    told = []
    if old is None and (wrong := names.dns_label(obj["metadata"].get("name", ""))):
        told = [f"metadata.name: this is used in the Pod's hostname, which {_NAME}[{' '.join(wrong)}]"]
    return told + (list(_pod("", obj, old)) if old is not None else _of_new(obj))


def _of_new(obj: Json) -> list[str]:
    data = likeness.template_of(obj.get("spec") or {})
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return list(_pod("", obj, None) if data is None else _of_template(data, tuple(annotations)))


@lru_cache(maxsize=256)
def _of_template(data: bytes, annotations: tuple[str, ...]) -> tuple[str, ...]:
    made = {"spec": orjson.loads(data), "metadata": {"annotations": dict.fromkeys(annotations, "")}}
    return tuple(_pod("", made, None))


def workload(obj: Json, old: Json | None) -> list[str]:
    """Kinds whose Pods are called after them, with a template in `spec.template`."""
    return named(obj, old) + list(_pod("spec.template.", _template(obj), _template(old)))


def template(obj: Json, old: Json | None) -> list[str]:
    """Kinds with a template in `spec.template` whose names upstream says nothing about."""
    return list(_pod("spec.template.", _template(obj), _template(old)))


def cron_job(obj: Json, old: Json | None) -> list[str]:
    path = "spec.jobTemplate."
    job, before = ((each or {}).get("spec", {}).get("jobTemplate") for each in (obj, old))
    return named(obj, old) + list(_pod(f"{path}spec.template.", _template(job), _template(before)))


def named(obj: Json, old: Json | None) -> list[str]:
    wrong = names.dns_label(obj["metadata"].get("name", "")) if old is None else []
    return (
        [f"metadata.name: this is used in Pod names and hostnames, which {_NAME}[{' '.join(wrong)}]"] if wrong else []
    )


def _template(obj: Json | None) -> Json | None:
    return ((obj or {}).get("spec") or {}).get("template")


def _pod(path: str, obj: Json | None, old: Json | None) -> Iterable[str]:
    """Of a Pod or a template; `path` is what stands before `spec` and `metadata`. None where nothing is new."""
    if obj is None or (old is not None and obj.get("spec") == old.get("spec")):
        return
    spec, annotations = obj.get("spec") or {}, (obj.get("metadata") or {}).get("annotations") or {}
    yield from labels(f"{path}spec.nodeSelector", spec.get("nodeSelector") or {})
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    yield from _node_affinity(f"{path}spec.affinity.nodeAffinity", affinity)
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        if (why := OLD_LABELS.get(constraint.get("topologyKey", ""))) is not None:
            yield f"{path}spec.topologySpreadConstraints[{index}].topologyKey: {constraint['topologyKey']} is {why}"
    yield from _annotations(f"{path}metadata.annotations", annotations)
    for index, volume in enumerate(spec.get("volumes") or ()):
        yield from (
            f"{path}spec.volumes[{index}].{name}: {OLD_VOLUMES[name]}" for name in OLD_VOLUMES if name in volume
        )
    for field in ("initContainers", "containers"):
        yield from _containers(f"{path}spec.{field}", spec.get(field) or [])
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield (
            f"{path}spec.terminationGracePeriodSeconds: must be >= 0; "
            "negative values are invalid and will be treated as 1"
        )


def labels(path: str, given: Iterable[str]) -> Iterable[str]:
    """`path[key]: deprecated since …` of the old names of node labels."""
    return (f"{path}[{key}]: {OLD_LABELS[key]}" for key in given if key in OLD_LABELS)


def _node_affinity(path: str, affinity: Json) -> Iterable[str]:
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [
        (f"{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{index}]", term)
        for index, term in enumerate(required.get("nodeSelectorTerms") or ())
    ]
    terms += [
        (f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference", each.get("preference") or {})
        for index, each in enumerate(affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ())
    ]
    for here, term in terms:
        yield from node_term(here, term)


def node_term(path: str, term: Json) -> Iterable[str]:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        key = expression.get("key", "")
        if key in OLD_LABELS:
            yield f"{path}.matchExpressions[{index}].key: {key} is {OLD_LABELS[key]}"


def _annotations(path: str, given: Mapping[str, str]) -> Iterable[str]:
    for key in given:
        if key == _SECCOMP or key.startswith(_SECCOMP_CONTAINER):
            yield f'{path}[{key}]: non-functional in v1.27+; use the "seccompProfile" field instead'
        elif key.startswith(_APPARMOR):
            yield f'{path}[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def _containers(path: str, given: list[Json]) -> Iterable[str]:
    ports: dict[tuple[Any, ...], str] = {}
    for index, container in enumerate(given):
        here = f"{path}[{index}]"
        yield from amounts(f"{here}.resources", container.get("resources") or {}, "memory", "ephemeral-storage")
        yield from _hidden(f"{here}.env", container.get("env") or [])
        for number, port in enumerate(container.get("ports") or ()):
            there = f"{here}.ports[{number}]"
            key = (
                port.get("protocol", "TCP"),
                port.get("containerPort"),
                port.get("hostPort", 0),
                port.get("hostIP", ""),
            )
            if key in ports:
                yield f"{there}: duplicate port definition with {ports[key]}"
            ports.setdefault(key, there)


def _hidden(path: str, variables: list[Json]) -> Iterable[str]:
    seen: dict[str, None] = {}
    for index, variable in enumerate(variables):
        name = variable.get("name", "")
        # A variable that is made of its own former value is meant so: PATH=$(PATH):/more.
        if name in seen and f"$({name})" not in (variable.get("value") or ""):
            yield f'{path}[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen[name] = None


def amounts(path: str, resources: Json, *whole: str) -> Iterable[str]:
    """Bytes that are no whole number."""
    for side in ("limits", "requests"):
        given = resources.get(side) or {}
        for name in whole:
            if name in given and fractional(given[name]):
                yield f'{path}.{side}[{name}]: fractional byte value "{given[name]}" is invalid, must be an integer'


def fractional(text: Any) -> bool:
    try:
        return bool(quantity.of(text).nano % quantity.NANO)
    except quantity.BadQuantity:
        return False


def persistent_volume(obj: Json, old: Json | None) -> list[str]:
    annotations, spec = obj["metadata"].get("annotations") or {}, obj.get("spec") or {}
    told = [f"spec.{name}: {why}" for name, why in OLD_VOLUMES.items() if name in spec]
    if CLASS_ANNOTATION in annotations:
        told.append(
            f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead'
        )
    options = "volume.beta.kubernetes.io/mount-options"
    if options in annotations:
        told.append(f'metadata.annotations[{options}]: deprecated since v1.31; use "mountOptions" attribute instead')
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        text = "The Recycle reclaim policy is deprecated. Please use dynamic provisioning instead."
        told.append(f"spec.persistentVolumeReclaimPolicy: {text}")
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    for index, term in enumerate(required.get("nodeSelectorTerms") or ()):
        told += node_term(f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]", term)
    capacity = (spec.get("capacity") or {}).get("storage")
    if capacity is not None and fractional(capacity):
        told.append(f'spec.capacity[storage]: fractional byte value "{capacity}" is invalid, must be an integer')
    return told


def claim(obj: Json, old: Json | None) -> list[str]:
    annotations, told = obj["metadata"].get("annotations") or {}, list[str]()
    if CLASS_ANNOTATION in annotations:
        told.append(
            f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead'
        )
    return told + list(amounts("spec.resources", (obj.get("spec") or {}).get("resources") or {}, "storage"))


def service(obj: Json, old: Json | None) -> list[str]:
    spec, annotations = obj.get("spec") or {}, obj["metadata"].get("annotations") or {}
    told: list[str] = []
    if "service.kubernetes.io/topology-aware-hints" in annotations:
        told.append(
            "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use "
            "service.kubernetes.io/topology-mode instead"
        )
    if spec.get("clusterIP") == "None":
        given = (name for name in ("loadBalancerIP", "externalIPs") if spec.get(name))
        told += [f"spec.{name} is ignored for headless services" for name in given]
        if spec.get("sessionAffinity") not in ("", None, "None"):
            told.append("spec.SessionAffinity is ignored for headless services")
    if spec.get("type") != "ExternalName" and spec.get("externalName"):
        told.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    return told
