"""What is allowed and probably not meant is told in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.kinds import objects

Json = dict[str, Any]
OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


def told(kind: str, **paths: Any) -> list[str]:
    hub = objects.created(objects.base(kind, **paths))
    warnings = objects.resource(hub["apiVersion"], kind).declaration.warnings
    assert warnings is not None
    return warnings(hub, None)


@pytest.mark.parametrize("kind", sorted(objects.bases()))
def test_a_plain_object_is_nothing_to_warn_of(kind: str) -> None:
    hub = objects.created(objects.base(kind))
    warnings = objects.resource(hub["apiVersion"], kind).declaration.warnings
    assert warnings is None or warnings(hub, None) == []


@pytest.mark.parametrize(
    ("kind", "paths", "text"),
    [
        (
            "Pod",
            {"metadata.name": "a.b"},
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label "
            "is recommended: [must not contain dots]",
        ),
        (
            "Deployment",
            {"metadata.name": "a.b"},
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS "
            "label is recommended: [must not contain dots]",
        ),
        (
            "Pod",
            {"spec.nodeSelector": {"beta.kubernetes.io/os": "linux"}},
            'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
        ),
        (
            "DaemonSet",
            {"spec.template.spec.containers.0.env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
            'spec.template.spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when '
            "using apply",
        ),
        (
            "CronJob",
            {"spec.jobTemplate.spec.template.spec.containers.0.resources": {"limits": {"memory": "1500m"}}},
            'spec.jobTemplate.spec.template.spec.containers[0].resources.limits[memory]: fractional byte value "1500m" '
            "is invalid, must be an integer",
        ),
        (
            "Pod",
            {"spec.containers.0.ports": [{"containerPort": 80}, {"containerPort": 80}]},
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
        ),
        (
            "Pod",
            {"spec.volumes": [{"name": "a", "gitRepo": {"repository": "x"}}]},
            "spec.volumes[0].gitRepo: deprecated in v1.11",
        ),
        (
            "Ingress",
            {"metadata.annotations": {"kubernetes.io/ingress.class": "nginx"}},
            "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead",
        ),
        (
            "PersistentVolumeClaim",
            {"metadata.annotations": {OLD_CLASS: "fast"}},
            f'metadata.annotations[{OLD_CLASS}]: deprecated since v1.8; use "storageClassName" attribute instead',
        ),
        (
            "PersistentVolume",
            {"spec.persistentVolumeReclaimPolicy": "Recycle"},
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Please use dynamic "
            "provisioning instead.",
        ),
        (
            "Service",
            {"spec.clusterIP": "None", "spec.externalIPs": ["1.2.3.4"]},
            "spec.externalIPs is ignored for headless services",
        ),
    ],
)
def test_what_is_probably_not_meant_is_said(kind: str, paths: Json, text: str) -> None:
    assert told(kind, **paths) == [text]


def test_an_update_that_leaves_the_template_alone_is_not_warned_of_it() -> None:
    old = objects.created(
        objects.base("Deployment", **{"spec.template.spec.nodeSelector": {"beta.kubernetes.io/os": "x"}})
    )
    warnings = objects.resource("apps/v1", "Deployment").declaration.warnings
    assert warnings is not None
    assert warnings({**old, "spec": {**old["spec"], "replicas": 5}}, old) == []
