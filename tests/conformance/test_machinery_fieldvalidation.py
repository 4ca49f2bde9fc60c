"""sig-api-machinery: fields that nobody knows, or that are given twice, are told as the client asked."""

from __future__ import annotations

import pytest

from tests.conformance.definitions import ANYTHING, defined
from tests.conformance.kube import Json, Kube
from tests.conformance.operations import refused


def sent(kube: Kube, path: str, body: str, method: str = "POST", media: str = "application/json", **query: str) -> Json:
    return kube.call(method, path, body.encode(), media, **{"fieldValidation": "Strict", **query})


def message(kube: Kube, path: str, body: str, method: str = "POST", media: str = "application/json") -> str:
    query = {"fieldManager": "field-validation"} if "apply" in media else {}
    answer = refused(lambda: sent(kube, path, body, method, media, **query))
    assert answer.code == 400
    return answer.message


DEPLOYMENT = """{"apiVersion": "apps/v1", "kind": "Deployment",
"metadata": {"name": "d"%s},
"spec": {%s"selector": {"matchLabels": {"app": "d"}},
"template": {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}"""


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed object [Conformance]"
)
def test_unknown_and_duplicate_fields_of_a_built_in_kind(kube: Kube, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    told = message(kube, path, DEPLOYMENT % ("", '"replicas": 1, "replicas": 2, "unknown": 3, '))
    assert 'strict decoding error: unknown field "spec.unknown", duplicate field "spec.replicas"' in told or (
        'strict decoding error: duplicate field "spec.replicas", unknown field "spec.unknown"' in told
    )


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object [Conformance]"
)
def test_unknown_metadata_of_a_built_in_kind(kube: Kube, namespace: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    told = message(kube, path, DEPLOYMENT % (', "unknownMeta": "x"', ""))
    assert 'strict decoding error: unknown field "metadata.unknownMeta"' in told


SCHEMA: Json = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {
                "cronSpec": {"type": "string"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
                    "x-kubernetes-list-type": "map",
                    "items": {
                        "type": "object",
                        "properties": {
                            "containerPort": {"type": "integer", "format": "int32"},
                            "hostPort": {"type": "integer", "format": "int32"},
                            "name": {"type": "string"},
                            "protocol": {"type": "string"},
                        },
                        "required": ["containerPort", "protocol"],
                    },
                },
            },
        }
    },
}
PORT = '{"name": "x", "containerPort": 8080, "protocol": "TCP"%s}'


def custom(api: str, kind: str, spec: str, metadata: str = "") -> str:
    return f'{{"apiVersion": "{api}/v1", "kind": "{kind}", "metadata": {{"name": "one"{metadata}}}, {spec}}}'


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should create/apply a valid CR for CRD with validation schema [Conformance]"
)
def test_a_valid_custom_object_is_applied(kube: Kube, namespace: str) -> None:
    with defined(kube, "valid", SCHEMA) as made:
        path = f"{made.at(namespace).path}/one"
        body = custom(made.group, made.kind, '"spec": {"cronSpec": "* * * * */5", "ports": [%s]}' % (PORT % ""))
        applied = sent(kube, path, body, "PATCH", "application/apply-patch+yaml", fieldManager="field-validation")
        assert applied["spec"]["ports"] == [{"name": "x", "containerPort": 8080, "protocol": "TCP"}]


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should create/apply a CR with unknown fields for CRD with no validation"
    " schema [Conformance]"
)
def test_a_custom_object_of_an_open_schema_is_applied(kube: Kube, namespace: str) -> None:
    with defined(kube, "open", ANYTHING) as made:
        path = f"{made.at(namespace).path}/one"
        body = custom(made.group, made.kind, '"spec": {"unknown": "uk1", "cronSpec": "* * * * */5"}')
        applied = sent(kube, path, body, "PATCH", "application/apply-patch+yaml", fieldManager="field-validation")
        assert applied["spec"] == {"unknown": "uk1", "cronSpec": "* * * * */5"}


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should create/apply an invalid CR with extra properties for CRD with"
    " validation schema [Conformance]"
)
def test_a_custom_object_with_an_unknown_field_is_refused(kube: Kube, namespace: str) -> None:
    with defined(kube, "extra", SCHEMA) as made:
        path = f"{made.at(namespace).path}/one"
        body = custom(made.group, made.kind, '"spec": {"ports": [%s]}' % (PORT % ', "unknownNested": 1'))
        told = message(kube, path, body, "PATCH", "application/apply-patch+yaml")
        assert told.endswith(
            '.spec.ports[containerPort=8080,protocol="TCP"].unknownNested: field not declared in schema'
        )


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should detect duplicates in a CR when preserving unknown fields [Conformance]"
)
def test_a_field_given_twice_is_told_where_unknown_ones_are_kept(kube: Kube, namespace: str) -> None:
    with defined(kube, "twice", SCHEMA) as made:
        body = custom(made.group, made.kind, '"spec": {"unknown": "a", "ports": [], "ports": [%s]}' % (PORT % ""))
        told = message(kube, made.at(namespace).path, body)
        assert 'strict decoding error: duplicate field "spec.ports"' in told and "unknown" not in told


@pytest.mark.conformance(
    "[sig-api-machinery] FieldValidation should detect unknown metadata fields in both the root and embedded object of"
    " a CR [Conformance]"
)
def test_unknown_metadata_of_a_custom_object_and_one_inside_it(kube: Kube, namespace: str) -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"template": embedded}}}}
    with defined(kube, "embedding", schema) as made:
        inner = '{"apiVersion": "v1", "kind": "Inner", "metadata": {"name": "i", "unknownSubMeta": "x"}}'
        body = custom(made.group, made.kind, f'"spec": {{"template": {inner}}}', ', "unknownMeta": "y"')
        told = message(kube, made.at(namespace).path, body)
        assert 'unknown field "metadata.unknownMeta"' in told
        assert 'unknown field "spec.template.metadata.unknownSubMeta"' in told
