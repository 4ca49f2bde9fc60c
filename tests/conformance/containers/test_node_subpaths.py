"""sig-node: a part of a volume whose path is an expression."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.containers.pods import finished, pod
from tests.conformance.containers.test_node_security import waits
from tests.conformance.kube import Json, Kube
from tests.e2e.harness import Cluster

OWN_NAME = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
ANNOTATION = {"name": "ANNOTATION", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['mysubpath']"}}}
WAIT = 'trap "exit 0" TERM; while true; do sleep 0.05; done'


def mounting(script: str, expression: str, *variables: Json, **metadata: Any) -> Json:
    """A Pod `p` that has a volume at /whole and the part of the expression at /part."""
    mounts = [
        {"name": "v", "mountPath": "/part", "subPathExpr": expression},
        {"name": "v", "mountPath": "/whole"},
    ]
    body = pod(
        "p",
        script,
        container={"env": list(variables), "volumeMounts": mounts},
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    body["metadata"] |= metadata
    return body


def running(found: Json) -> bool:
    return bool(found["status"].get("phase") == "Running")


@pytest.mark.conformance(
    "[sig-node] Variable Expansion should allow substituting values in a volume subpath [Conformance]"
)
def test_a_part_is_named_after_the_pod(kube: Kube, namespace: str) -> None:
    script = "touch /part/here && ls /whole /whole/p"
    text = finished(kube, namespace, mounting(script, "$(POD_NAME)", OWN_NAME))
    assert text.split() == ["/whole:", "p", "/whole/p:", "here"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(
            "..",
            "unable to provision SubPath `..`: must not contain '..'",
            marks=pytest.mark.conformance(
                "[sig-node] Variable Expansion should fail substituting values in a volume subpath with backticks "
                "[Conformance]"
            ),
        ),
        pytest.param(
            "/tmp",
            "error SubPath `/tmp` must not be an absolute path",
            marks=pytest.mark.conformance(
                "[sig-node] Variable Expansion should fail substituting values in a volume subpath with absolute path "
                "[Conformance]"
            ),
        ),
    ],
)
def test_a_part_outside_of_the_volume_is_refused(kube: Kube, namespace: str, value: str, words: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(mounting("true", "$(POD_NAME)", {"name": "POD_NAME", "value": value}))
    status = pods.until("p", waits("CreateContainerConfigError"))["status"]["containerStatuses"][0]
    assert status["state"]["waiting"]["message"] == words
    assert status["restartCount"] == 0


@pytest.mark.conformance(
    "[sig-node] Variable Expansion should verify that a failing subpath expansion can be modified during the "
    "lifecycle of a container [Conformance] [Slow]"
)
def test_a_part_that_cannot_be_named_comes_with_the_annotation_that_names_it(kube: Kube, namespace: str) -> None:
    pods = kube.at("v1/pods", namespace)
    pods.create(mounting(WAIT, "$(ANNOTATION)/$(POD_NAME)", ANNOTATION, OWN_NAME))
    pods.until("p", waits("CreateContainerConfigError"))
    pods.patch("p", {"metadata": {"annotations": {"mysubpath": "mypath"}}})
    pods.until("p", running)
    pods.delete("p", gracePeriodSeconds=0)


@pytest.mark.conformance("[sig-node] Variable Expansion should succeed in writing subpaths in container [Conformance]")
def test_what_is_written_to_the_part_is_in_the_whole_and_stays_where_it_is(
    kube: Kube, namespace: str, cluster: Cluster
) -> None:
    pods = kube.at("v1/pods", namespace)
    body = mounting(WAIT, "$(ANNOTATION)/$(POD_NAME)", ANNOTATION, OWN_NAME, annotations={"mysubpath": "mypath"})
    pods.create(body)
    pods.until("p", running)
    inside(cluster, namespace, "touch /part/first && test -f /whole/mypath/p/first")
    pods.patch("p", {"metadata": {"annotations": {"mysubpath": "mynewpath"}}})
    inside(cluster, namespace, "touch /part/second && test -f /whole/mypath/p/second")
    pods.delete("p", gracePeriodSeconds=0)


def inside(cluster: Cluster, namespace: str, script: str) -> str:
    """Run in the container of Pod `p`; it has to succeed."""
    return cluster.kubectl("-n", namespace, "exec", "p", "--", "sh", "-c", script).ok().out
