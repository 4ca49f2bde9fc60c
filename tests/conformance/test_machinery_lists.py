"""sig-api-machinery: long lists come in pieces, and what cannot be a table says so."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import refused
from tests.conformance.world import World


def template(name: str) -> Json:
    return {"metadata": {"name": name}, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}


@pytest.mark.conformance(
    "[sig-api-machinery] Servers with support for API chunking should return chunks of results for list calls"
    " [Conformance]"
)
def test_a_list_comes_in_pieces_of_one_version(kube: Kube, namespace: str) -> None:
    templates = kube.at("v1/podtemplates", namespace)
    wanted = [f"template-{number:04}" for number in range(40)]
    for name in wanted:
        templates.create(template(name))
    found: list[str] = []
    piece = templates.list(limit=17)
    version = piece["metadata"]["resourceVersion"]
    while True:
        found += names(piece["items"])
        assert piece["metadata"]["resourceVersion"] == version
        assert piece["metadata"].get("remainingItemCount", 0) == len(wanted) - len(found)
        if "continue" not in piece["metadata"]:
            break
        assert len(piece["items"]) == 17
        piece = templates.list(limit=17, **{"continue": piece["metadata"]["continue"]})
    assert found == wanted
    assert names(templates.list()["items"]) == wanted


@pytest.mark.conformance(
    "[sig-api-machinery] Servers with support for API chunking should support continue listing from the last key if"
    " the original version has been compacted away, though the list is inconsistent [Conformance] [Slow]"
)
def test_a_list_goes_on_behind_its_last_key_when_its_version_is_gone(world: World, kube: Kube, namespace: str) -> None:
    templates = kube.at("v1/podtemplates", namespace)
    for number in range(12):
        templates.create(template(f"template-{number:04}"))
    first = templates.list(limit=5)
    templates.delete("template-0007")
    world.forget_history()
    answer = refused(lambda: templates.list(limit=5, **{"continue": first["metadata"]["continue"]}))
    assert (answer.code, answer.reason) == (410, "Expired")
    inconsistent = answer.status["metadata"]["continue"]
    rest = templates.list(**{"continue": inconsistent})
    assert int(rest["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    assert names(rest["items"]) == [f"template-{number:04}" for number in (5, 6, 8, 9, 10, 11)]


@pytest.mark.conformance(
    "[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does"
    " not implement metadata [Conformance]"
)
def test_what_has_no_metadata_is_no_table(kube: Kube) -> None:
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "default"}}}
    answer = kube.raw(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        review,
        accept="application/json;as=Table;v=v1;g=meta.k8s.io",
    )
    assert answer.status_code == 406
    assert (answer.json()["kind"], answer.json()["reason"]) == ("Status", "NotAcceptable")
