"""Single files of a volume, mounted by subPath: they stay as they were when the container began."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.containers.pods import pod
from tests.conformance.containers.sources import RESOURCES, data, encoded
from tests.conformance.containers.together import Together, together, watching
from tests.conformance.kube import Json, Kube

EXISTING = "/etc/passwd"
"""A file that the image has."""
LABELS: Json = {"items": [{"path": "file", "fieldRef": {"fieldPath": "metadata.labels['say']"}}]}
VOLUMES: dict[str, Json] = {
    "configmap": {"configMap": {"name": "both"}},
    "secret": {"secret": {"secretName": "both"}},
    "downward": {"downwardAPI": LABELS},
    "projected": {"projected": {"sources": [{"configMap": {"name": "both"}}]}},
}


def watcher(kind: str, at: str) -> Json:
    """A Pod that sees the whole volume at /whole and its one file at `at`."""
    name = f"{kind}-existing" if at == EXISTING else kind
    mounts = [{"name": "v", "mountPath": "/whole"}, {"name": "v", "mountPath": at, "subPath": "file"}]
    container = {**watching("/whole", at), "volumeMounts": mounts}
    body = pod(name, "", container=container, volumes=[{"name": "v", **VOLUMES[kind]}])
    body["metadata"]["labels"]["say"] = "first"
    return body


@pytest.fixture(scope="module")
def seen(kube: Kube) -> Iterator[Together]:
    """Everything has changed once since the Pods began."""
    objects = [(resource, data(kind, "both", {"file": "first"})) for kind, resource in RESOURCES.items()]
    pods = [watcher(kind, "/sub/file") for kind in VOLUMES] + [watcher("configmap", EXISTING)]
    with together(kube, pods, objects) as found:
        for body in pods:
            found.history(body["metadata"]["name"], lambda state: state.get("/whole/file") == "first")
        for kind, resource in RESOURCES.items():
            kube.at(resource, found.namespace).patch("both", {"data": {"file": encoded(kind, "second")}})
        kube.at("v1/pods", found.namespace).patch("downward", {"metadata": {"labels": {"say": "second"}}})
        yield found


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        pytest.param(
            kind,
            at,
            marks=pytest.mark.conformance(
                f"[sig-storage] Subpath Atomic writer volumes should support subpaths with {words} [Conformance]"
            ),
            id=words.replace(" ", "-"),
        )
        for kind, at, words in (
            *((kind, "/sub/file", f"{kind} pod") for kind in VOLUMES),
            ("configmap", EXISTING, "configmap pod with mountPath of existing file"),
        )
    ],
)
def test_a_file_by_sub_path_stays_while_its_volume_moves_on(seen: Together, kind: str, at: str) -> None:
    name = f"{kind}-existing" if at == EXISTING else kind
    states = seen.history(name, lambda state: state.get("/whole/file") == "second")
    assert states == [{"/whole/file": "first", at: "first"}, {"/whole/file": "second", at: "first"}]
