"""sig-api-machinery: custom resources are defined, watched, defaulted, selected, and published in OpenAPI."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.conformance.definitions import DEFINITIONS, Defined, defined, definition, served
from tests.conformance.kube import Json, Kube, conditions, eventually, names
from tests.conformance.operations import discovered, refused


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition"
    " creating/deleting custom resource definition objects works [Conformance]"
)
def test_a_definition_is_created_and_deleted(kube: Kube) -> None:
    with defined(kube, "simple") as made:
        assert conditions(kube.at(DEFINITIONS).get(made.name)) == {"NamesAccepted": "True", "Established": "True"}
        assert made.at("default").create(made.body("one"))["metadata"]["uid"]
    assert refused(lambda: made.at("default").list()).code == 404


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition"
    " listing custom resource definition objects works [Conformance]"
)
def test_definitions_are_listed_and_deleted_as_a_collection(kube: Kube) -> None:
    definitions = kube.at(DEFINITIONS)
    for number in range(3):
        body = definition(f"listed-{number}")
        body["metadata"]["labels"] = {"listed": "yes"}
        definitions.create(body)
    assert len(definitions.items(labelSelector="listed=yes")) == 3
    definitions.delete_all(labelSelector="listed=yes")
    definitions.settled(lambda items: not items, labelSelector="listed=yes")


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition"
    " getting/updating/patching custom resource definition status sub-resource works [Conformance]"
)
def test_the_status_of_a_definition_is_written_by_itself(kube: Kube) -> None:
    with defined(kube, "status") as made:
        definitions = kube.at(DEFINITIONS)
        assert definitions.get(made.name, "status")["status"]["acceptedNames"]["plural"] == made.plural
        condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "set by a test"}

        def add(body: Json) -> None:
            body["status"]["conditions"].append(condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"})

        assert conditions(definitions.change(made.name, add, "status"))["StatusUpdate"] == "True"
        patch = [{"op": "add", "path": "/status/conditions/-", "value": condition | {"type": "StatusPatched"}}]
        assert "StatusPatched" in conditions(definitions.patch(made.name, patch, "json", "status"))


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] should include custom resource"
    " definition resources in discovery documents [Conformance]"
)
def test_definitions_are_discovered(kube: Kube) -> None:
    found = discovered(kube, kube.at(DEFINITIONS))
    assert (found["kind"], found["namespaced"]) == ("CustomResourceDefinition", False)


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] custom resource defaulting for"
    " requests and from storage works [Conformance]"
)
def test_defaults_are_given_on_the_way_in_and_out(kube: Kube) -> None:
    schema: Json = {"type": "object", "properties": {"a": {"type": "string", "default": "A"}, "b": {"type": "string"}}}
    with defined(kube, "defaulting", schema) as made:
        objects = made.at("default")
        assert objects.create(made.body("one"))["a"] == "A"
        assert "b" not in objects.get("one")
        definitions = kube.at(DEFINITIONS)
        patch: list[Json] = [
            {
                "op": "replace",
                "path": "/spec/versions/0/schema/openAPIV3Schema/properties/a",
                "value": {"type": "string"},
            },
            {
                "op": "replace",
                "path": "/spec/versions/0/schema/openAPIV3Schema/properties/b",
                "value": {"type": "string", "default": "B"},
            },
        ]
        definitions.patch(made.name, patch, "json")
        found = objects.until("one", lambda body: body.get("b") == "B")
        assert found["a"] == "A"
        second = objects.create(made.body("two"))
        assert second["b"] == "B" and "a" not in second


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition Watch watch"
    " on custom resource definition objects [Conformance]"
)
def test_custom_objects_are_watched(kube: Kube) -> None:
    with defined(kube, "watched", scope="Cluster") as made:
        objects = made.at()
        with (
            objects.watch(fieldSelector="metadata.name=a") as only_a,
            objects.watch(fieldSelector="metadata.name=b") as only_b,
        ):
            for name, watch in (("a", only_a), ("b", only_b)):
                objects.create(made.body(name))
                assert watch.next()[0] == "ADDED"
                objects.patch(name, {"metadata": {"labels": {"x": "y"}}})
                kind, body = watch.next()
                assert (kind, body["metadata"]["name"], body["metadata"]["labels"]) == ("MODIFIED", name, {"x": "y"})
            for name, watch in (("a", only_a), ("b", only_b)):
                objects.delete(name)
                kind, body = watch.next()
                assert (kind, body["metadata"]["name"]) == ("DELETED", name)


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors MUST list"
    " and watch custom resources matching the field selector [Conformance]"
)
def test_custom_objects_are_selected_by_their_fields(kube: Kube, namespace: str) -> None:
    text: Json = {"type": "string"}
    schema: Json = {"type": "object", "properties": {"color": text, "quantity": {"type": "integer"}}}
    fields = [{"jsonPath": ".color"}, {"jsonPath": ".quantity"}]
    with defined(kube, "shirts", schema, selectableFields=fields) as made:
        shirts = made.at(namespace)
        with (
            shirts.watch(fieldSelector="color=blue") as blue,
            shirts.watch(fieldSelector="color=blue,quantity=2") as both,
        ):
            shirts.create(made.body("one", color="blue", quantity=2))
            shirts.create(made.body("two", color="blue", quantity=3))
            shirts.create(made.body("three", color="green", quantity=2))
            assert names(shirts.items(fieldSelector="color=blue")) == ["one", "two"]
            assert names(shirts.items(fieldSelector="quantity=2")) == ["one", "three"]
            assert names(shirts.items(fieldSelector="color=green,quantity=2")) == ["three"]
            assert names(shirts.items(fieldSelector="color!=blue")) == ["three"]
            assert [blue.next()[1]["metadata"]["name"] for _ in range(2)] == ["one", "two"]
            shirts.patch("one", {"color": "green"})
            assert [(kind, body["metadata"]["name"]) for kind, body in (blue.next(),)] == [("DELETED", "one")]
            assert [both.next()[0] for _ in range(2)] == ["ADDED", "DELETED"]
        assert refused(lambda: shirts.items(fieldSelector="size=XL")).code == 400
        shirts.delete_all(fieldSelector="color=green")
        assert names(shirts.items()) == ["two"]


def openapi(kube: Kube) -> dict[str, Json]:
    """Published definitions of kinds: `group/version/Kind` → schema."""
    found: dict[str, Json] = {}
    for schema in kube.call("GET", "/openapi/v2")["definitions"].values():
        for each in schema.get("x-kubernetes-group-version-kind", []):
            found[f"{each['group']}/{each['version']}/{each['kind']}"] = schema
    return found


def published(kube: Kube, made: Defined, version: str = "v1") -> Json:
    key = f"{made.group}/{version}/{made.kind}"
    eventually(lambda: key in openapi(kube))
    return openapi(kube)[key]


BARS: Json = {
    "type": "object",
    "description": "Foo CRD for Testing",
    "properties": {
        "spec": {
            "type": "object",
            "description": "Specification of Foo",
            "properties": {
                "bars": {
                    "type": "array",
                    "description": "List of Bars and their specs.",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "age": {"type": "string"}},
                    },
                }
            },
        }
    },
}


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD with validation schema"
    " [Conformance]"
)
def test_a_schema_is_published_and_holds_for_clients(kube: Kube, namespace: str) -> None:
    with defined(kube, "validated", BARS) as made:
        found = published(kube, made)
        assert found["description"] == "Foo CRD for Testing"
        spec = found["properties"]["spec"]
        assert spec["description"] == "Specification of Foo"
        assert spec["properties"]["bars"]["items"]["required"] == ["name"]
        good = made.body("good", spec={"bars": [{"name": "x", "age": "10"}]})
        made.at(namespace).create(good, fieldValidation="Strict")
        nameless = made.body("bad", spec={"bars": [{"age": "10"}]})
        answer = refused(lambda: made.at(namespace).create(nameless))
        assert (answer.code, answer.status["details"]["causes"][0]["field"]) == (422, "spec.bars[0].name")
        unknown = made.body("bad", spec={"bars": [{"name": "x", "feeling": "great"}]})
        strict = refused(lambda: made.at(namespace).create(unknown, fieldValidation="Strict"))
        assert 'unknown field "spec.bars[0].feeling"' in strict.message


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD without validation"
    " schema [Conformance]"
)
def test_a_schema_that_says_nothing_lets_everything_in(kube: Kube, namespace: str) -> None:
    with defined(kube, "unvalidated") as made:
        assert "properties" not in published(kube, made)  # what kubectl would check
        made.at(namespace).create(made.body("one", spec={"a": [1, {"b": None}]}, dummy="x"), fieldValidation="Strict")
        assert made.at(namespace).get("one")["dummy"] == "x"


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown"
    " fields at the schema root [Conformance]"
)
def test_unknown_fields_at_the_root_are_kept(kube: Kube, namespace: str) -> None:
    schema = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"spec": {"type": "object"}},
    }
    with defined(kube, "open-root", schema) as made:
        assert "properties" not in published(kube, made)  # what kubectl would check
        made.at(namespace).create(made.body("one", dummy={"x": 1}), fieldValidation="Strict")
        assert made.at(namespace).get("one")["dummy"] == {"x": 1}


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown"
    " fields in an embedded object [Conformance]"
)
def test_unknown_fields_of_an_embedded_object_are_kept(kube: Kube, namespace: str) -> None:
    inner = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-embedded-resource": True}
    with defined(kube, "open-inner", {"type": "object", "properties": {"spec": inner}}) as made:
        spec = published(kube, made)["properties"]["spec"]
        assert spec["x-kubernetes-preserve-unknown-fields"] is True
        embedded = {"apiVersion": "v1", "kind": "Anything", "metadata": {"name": "inner"}, "dummy": [1]}
        made.at(namespace).create(made.body("one", spec=embedded), fieldValidation="Strict")
        assert made.at(namespace).get("one")["spec"]["dummy"] == [1]


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of different"
    " groups [Conformance]"
)
def test_definitions_of_different_groups_are_published(kube: Kube) -> None:
    both_published(kube, definition("left", BARS), definition("right", BARS))


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group"
    " but different versions [Conformance]"
)
def test_definitions_of_one_group_and_two_versions_are_published(kube: Kube) -> None:
    first = definition("older", BARS, group="shared.example.com", name="v2")
    second = definition("newer", BARS, group="shared.example.com", name="v3")
    both_published(kube, first, second)


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group"
    " and version but different kinds [Conformance]"
)
def test_definitions_of_one_group_and_version_are_published(kube: Kube) -> None:
    first = definition("one-kind", BARS, group="same.example.com")
    second = definition("other-kind", BARS, group="same.example.com")
    both_published(kube, first, second)


def both_published(kube: Kube, *bodies: Json) -> None:
    with ExitStack() as stack:
        for body in bodies:
            made = stack.enter_context(served(kube, body))
            found = published(kube, made, body["spec"]["versions"][0]["name"])
            assert found["properties"]["spec"]["properties"]["bars"]["type"] == "array"


def two_versions(word: str) -> Json:
    body = definition(word, BARS)
    body["spec"]["versions"].append({**body["spec"]["versions"][0], "name": "v2", "storage": False})
    return body


def change_version(kube: Kube, made: Defined, index: int, **fields: Any) -> None:
    kube.at(DEFINITIONS).change(made.name, lambda body: body["spec"]["versions"][index].update(fields))


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] updates the published spec when one"
    " version gets renamed [Conformance]"
)
def test_a_renamed_version_is_published_under_its_new_name(kube: Kube) -> None:
    with served(kube, two_versions("renamed")) as made:
        assert published(kube, made, "v1") and published(kube, made, "v2")
        change_version(kube, made, 1, name="v4")
        assert published(kube, made, "v4")
        eventually(lambda: f"{made.group}/v2/{made.kind}" not in openapi(kube))
        assert published(kube, made, "v1")


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] removes definition from spec when one"
    " version gets changed to not be served [Conformance]"
)
def test_a_version_that_is_served_no_more_is_published_no_more(kube: Kube) -> None:
    with served(kube, two_versions("unserved")) as made:
        assert published(kube, made, "v1") and published(kube, made, "v2")
        change_version(kube, made, 1, served=False)
        eventually(lambda: f"{made.group}/v2/{made.kind}" not in openapi(kube))
        assert published(kube, made, "v1")
