"""Request bodies are checked with the sentences that kubectl users know from kube-apiserver."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import BadRequest
from podling.api.schema import Type, check, decode, load, parse

SCHEMAS = load()


def type_of(group: str, version: str, kind: str) -> Type:
    found = SCHEMAS.kind(group, version, kind)
    assert found is not None
    return found


REPLICASET = type_of("apps", "v1", "ReplicaSet")
POD = type_of("", "v1", "Pod")
SERVICE = type_of("", "v1", "Service")
SECRET = type_of("", "v1", "Secret")


def refusal(body: Any, type_: Type = REPLICASET) -> str:
    kind = type_.name.rpartition(".")[2]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(BadRequest) as caught:
        decode(raw, type_, kind=kind, version="v1", mode="Strict")
    return caught.value.message.removeprefix(f'{kind} in version "v1" cannot be handled as a {kind}: ')


def container(**fields: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [fields]}}}}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"spec": {"replicas": "3"}}, "string into Go struct field ReplicaSetSpec.spec.replicas of type int32"),
        ({"spec": {"replicas": 3.5}}, "number 3.5 into Go struct field ReplicaSetSpec.spec.replicas of type int32"),
        (
            {"spec": {"replicas": 2**31}},
            f"number {2**31} into Go struct field ReplicaSetSpec.spec.replicas of type int32",
        ),
        ({"spec": {"replicas": True}}, "bool into Go struct field ReplicaSetSpec.spec.replicas of type int32"),
        ({"spec": []}, "array into Go struct field ReplicaSet.spec of type v1.ReplicaSetSpec"),
        ({"metadata": {"labels": {"a": 1}}}, "number into Go struct field ObjectMeta.metadata.labels of type string"),
        (
            {"spec": {"template": {"spec": {"containers": {}}}}},
            "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            container(ports=[{"containerPort": "80"}]),
            "string into Go struct field ContainerPort.spec.template.spec.containers.ports.containerPort of type int32",
        ),
        (
            container(env=[{"name": "a", "value": 1}]),
            "number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            container(imagePullPolicy=5),
            "number into Go struct field Container.spec.template.spec.containers.imagePullPolicy of type v1.PullPolicy",
        ),
        ([1], "array into Go value of type v1.ReplicaSet"),
    ],
)
def test_a_wrong_type_is_named_with_its_place_and_gos_type(body: Any, says: str) -> None:
    assert refusal(body) == f"json: cannot unmarshal {says}"


def test_unknown_fields_are_listed_in_one_strict_decoding_error() -> None:
    body = {"spec": {"foo": 1, **container(name="a", imagee="b")["spec"]}}
    assert refusal(body) == (
        'strict decoding error: unknown field "spec.foo", unknown field "spec.template.spec.containers[0].imagee"'
    )


def test_field_names_are_case_sensitive() -> None:
    assert refusal({"Spec": {}}) == 'strict decoding error: unknown field "Spec"'


def test_a_wrong_type_comes_before_unknown_fields() -> None:
    assert refusal({"foo": 1, "spec": {"replicas": "x"}}).startswith("json: cannot unmarshal string")


def test_duplicate_keys_are_found_where_fields_are_typed_and_nowhere_else() -> None:
    metadata = b'{"labels":{"a":"1","a":"2"},"managedFields":[{"fieldsV1":{"f:a":{},"f:a":{}}}]}'
    body = b'{"metadata":%b,"spec":{"replicas":1,"replicas" : 2}}' % metadata
    assert refusal(body) == (
        'strict decoding error: duplicate field "metadata.labels.a", duplicate field "spec.replicas"'
    )


def test_an_escaped_colon_hides_no_duplicate() -> None:
    assert refusal(b'{"spec":{"replicas":1,"replicas":2},"metadata":{"name":"\\u003a\\u003A"}}') == (
        'strict decoding error: duplicate field "spec.replicas"'
    )


def test_warn_turns_findings_into_warnings_and_ignore_drops_them() -> None:
    body = b'{"spec":{"foo":1,"replicas":1,"replicas":2}}'
    warned = decode(body, REPLICASET, kind="ReplicaSet", version="v1", mode="Warn")
    assert warned.warnings == ('unknown field "spec.foo"', 'duplicate field "spec.replicas"')
    ignored = decode(body, REPLICASET, kind="ReplicaSet", version="v1", mode="Ignore")
    assert ignored.warnings == ignored.errors == ()
    assert ignored.value["spec"]["replicas"] == 2 and "foo" not in ignored.value["spec"]


def test_the_kind_the_body_names_is_the_one_in_the_refusal() -> None:
    body = json.dumps({"kind": "Pod", "apiVersion": "v1", "foo": 1}).encode()
    with pytest.raises(BadRequest) as caught:
        decode(body, REPLICASET, kind="ReplicaSet", version="v1", mode="Strict")
    assert caught.value.message == (
        'Pod in version "v1" cannot be handled as a ReplicaSet: strict decoding error: unknown field "foo"'
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b"{", "unexpected end of JSON input ({)"),
        (b"{a", "invalid character 'a' looking for beginning of object key string ({a)"),
        (b'{"a":1,}', """invalid character '}' looking for beginning of object key string ({"a":1,})"""),
        (b'{"a" 1}', """invalid character '1' after object key ({"a" 1})"""),
        (b'{"a":1 "b"}', """invalid character '"' after object key:value pair ({"a":1 "b"})"""),
        (b"[1 2]", "invalid character '2' after array element (5b3120325d)"),
        (b'{"a":1} x', """invalid character 'x' after top-level value ({"a":1} x)"""),
        (b"nope", "invalid character 'o' in literal null (expecting 'u') (6e6f7065)"),
        (b"tru", "unexpected end of JSON input (747275)"),
        (b'{"a":yes}', """invalid character 'y' looking for beginning of value ({"a":yes})"""),
    ],
)
def test_what_is_no_json_is_complained_about_in_gos_words(body: bytes, says: str) -> None:
    assert refusal(body) == (
        "the object provided is unrecognized (must be of type ReplicaSet):"
        f" couldn't get version/kind; json parse error: {says}"
    )


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("0.5", "500m"),
        (0.5, "500m"),
        (1, "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1e3", "1e3"),
        ("100m", "100m"),
    ],
)
def test_quantities_are_kept_in_their_canonical_text(written: Any, kept: str) -> None:
    out = check(container(name="a", resources={"limits": {"cpu": written}}), REPLICASET).value
    assert out["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] == kept


def test_a_bad_quantity_is_refused_in_upstreams_words() -> None:
    assert refusal(container(resources={"limits": {"cpu": "1x"}})) == (
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )


def test_times_are_kept_in_utc_and_whole_seconds() -> None:
    out = check({"metadata": {"creationTimestamp": "2020-01-01T01:00:00.5+01:00"}}, POD).value
    assert out["metadata"]["creationTimestamp"] == "2020-01-01T00:00:00Z"


def test_a_port_may_be_a_number_or_a_name_and_nothing_else() -> None:
    ports = [{"port": 1, "targetPort": 80}, {"port": 2, "targetPort": "http"}]
    out = check({"spec": {"ports": ports}}, SERVICE).value
    assert [port["targetPort"] for port in out["spec"]["ports"]] == [80, "http"]
    assert refusal({"spec": {"ports": [{"targetPort": True}]}}, SERVICE) == (
        "json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32"
    )


def test_secret_data_has_to_be_base64() -> None:
    assert check({"data": {"a": "YWI="}}, SECRET).value["data"] == {"a": "YWI="}
    assert refusal({"data": {"a": "YW*="}}, SECRET) == "illegal base64 data at input byte 2"


def test_nulls_and_omitted_zero_values_disappear_and_pointers_keep_theirs() -> None:
    spec = {
        "hostNetwork": False,
        "containers": None,
        "nodeName": None,
        "terminationGracePeriodSeconds": 0,
        "tolerations": [],
    }
    assert check({"spec": spec}, POD).value["spec"] == {"terminationGracePeriodSeconds": 0}


def test_what_go_always_writes_appears() -> None:
    assert check({"spec": {"containers": [{"name": "a"}]}}, POD).value == {
        "metadata": {},
        "spec": {"containers": [{"name": "a", "resources": {}}]},
        "status": {},
    }
    assert check({}, SERVICE).value == {"metadata": {}, "spec": {}, "status": {"loadBalancer": {}}}


def test_raw_values_are_left_alone() -> None:
    fields = {"f:metadata": {"f:labels": {".": {}, "f:a": None}}}
    out = check({"metadata": {"managedFields": [{"fieldsV1": fields}]}}, POD).value
    assert out["metadata"]["managedFields"][0]["fieldsV1"] == fields


def test_schemas_of_custom_resources_may_hold_themselves() -> None:
    crd = type_of("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    schema = {
        "type": "object",
        "properties": {"a": {"items": {"type": "string", "x": 1}, "additionalProperties": True}},
    }
    out = check({"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}, crd)
    assert out.errors == ('unknown field "spec.versions[0].schema.openAPIV3Schema.properties.a.items.x"',)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_without_duplicates_is_read_without_a_finding(value: Any) -> None:
    assert parse(json.dumps(value).encode()).written is None


NAMES = st.sampled_from(["a:b", "x", "é", 'q"', "\\", "k", ":"])


@given(st.lists(st.tuples(NAMES, JSON), max_size=5), st.booleans())
def test_a_repeated_key_is_always_found(pairs: list[tuple[str, Any]], ascii_only: bool) -> None:
    text = (
        "{"
        + ",".join(f"{json.dumps(key, ensure_ascii=ascii_only)} : {json.dumps(value)}" for key, value in pairs)
        + "}"
    )
    names = [key for key, _ in pairs]
    repeated = parse(text.encode()).written
    assert (repeated is not None) == (len(set(names)) < len(names))


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "status", "kind", "zzz"]), JSON))
def test_a_checked_object_is_at_rest(value: dict[str, Any]) -> None:
    """Checking again finds nothing and changes nothing."""
    try:
        once = decode(json.dumps(value).encode(), POD, kind="Pod", version="v1", mode="Ignore").value
    except BadRequest:
        return
    shown = json.dumps(once, sort_keys=True)
    again = check(once, POD, "Strict")
    assert again.errors == ()
    assert json.dumps(again.value, sort_keys=True) == shown
