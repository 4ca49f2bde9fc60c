"""Protobuf bodies decode to what the same object's JSON decodes to."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.errors import BadRequest
from podling.api.schema import Type, check, decode_protobuf, encode_protobuf, load
from podling.api.schema.framing import Malformed, fields, put_bytes, put_double, put_varint, read_varint, signed, varint

SCHEMAS = load()


def roundtrip(obj: dict[str, Any]) -> dict[str, Any]:
    group, _, version = obj["apiVersion"].rpartition("/")
    type_ = SCHEMAS.kind(group, version, obj["kind"])
    assert type_ is not None
    api_version, kind, out = decode_protobuf(encode_protobuf(obj, type_), SCHEMAS)
    assert (api_version, kind) == (obj["apiVersion"], obj["kind"])
    return out


# Bodies as kubectl 1.37 sends them, taken off the wire: `create configmap a --from-literal=k=v`,
# `create deployment d --image=nginx --port=80`, `create service nodeport n --tcp=80:http`.
CONFIGMAP = (
    b'k8s\x00\n\x0f\n\x02v1\x12\tConfigMap\x12\x1b\n\x11\n\x01a\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00'
    b'\x12\x06\n\x01k\x12\x01v\x1a\x00"\x00'
)
DEPLOYMENT = (
    b'k8s\x00\n\x15\n\x07apps/v1\x12\nDeployment\x12\xb0\x01\n\x1b\n\x01d\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00Z'
    b"\x08\n\x03app\x12\x01d\x12\x82\x01\x08\x01\x12\n\n\x08\n\x03app\x12\x01d\x1aj\n\x1a\n\x00\x12\x00\x1a\x00"
    b'"\x00*\x002\x008\x00B\x00Z\x08\n\x03app\x12\x01d\x12L\x12.\n\x05nginx\x12\x05nginx*\x002\n\n\x00\x10\x00\x18P'
    b'"\x00*\x00B\x00j\x00r\x00\x80\x01\x00\x88\x01\x00\x90\x01\x00\xa2\x01\x00\x1a\x002\x00B\x00J\x00R\x00X\x00`\x00h'
    b'\x00\x82\x01\x00\x8a\x01\x00\x9a\x01\x00\xc2\x01\x00"\x02\n\x00(\x008\x00\x1a\x0c\x08\x00\x10\x00\x18\x00 \x00('
    b'\x008\x00\x1a\x00"\x00'
)
SERVICE = (
    b'k8s\x00\n\r\n\x02v1\x12\x07Service\x12e\n\x1b\n\x01n\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00Z\x08\n\x03app\x12\x01n'
    b'\x12B\n\x1e\n\x0780-http\x12\x03TCP\x18P"\n\x08\x01\x10\x00\x1a\x04http(\x00\x12\x08\n\x03app\x12\x01n\x1a\x00'
    b'"\x08NodePort:\x00B\x00R\x00Z\x00`\x00h\x00\x1a\x02\n\x00\x1a\x00"\x00'
)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (CONFIGMAP, {"metadata": {"name": "a"}, "data": {"k": "v"}}),
        (
            DEPLOYMENT,
            {
                "metadata": {"name": "d", "labels": {"app": "d"}},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": {"app": "d"}},
                    "template": {
                        "metadata": {"labels": {"app": "d"}},
                        "spec": {
                            "containers": [
                                {
                                    "name": "nginx",
                                    "image": "nginx",
                                    "ports": [{"containerPort": 80}],
                                    "resources": {},
                                }
                            ]
                        },
                    },
                    "strategy": {},
                },
                "status": {},
            },
        ),
        (
            SERVICE,
            {
                "metadata": {"name": "n", "labels": {"app": "n"}},
                "spec": {
                    "ports": [{"name": "80-http", "protocol": "TCP", "port": 80, "targetPort": "http"}],
                    "selector": {"app": "n"},
                    "type": "NodePort",
                },
                "status": {"loadBalancer": {}},
            },
        ),
    ],
    ids=["configmap", "deployment", "service"],
)
def test_a_body_as_kubectl_sends_it_is_read(body: bytes, wanted: dict[str, Any]) -> None:
    api_version, kind, obj = decode_protobuf(body, SCHEMAS)
    type_ = SCHEMAS.kind(api_version.rpartition("/")[0], "v1", kind)
    assert type_ is not None
    assert check(obj, type_).value == {"apiVersion": api_version, "kind": kind, **wanted}


@pytest.mark.parametrize(
    "obj",
    [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "a",
                "labels": {"x": "y"},
                "creationTimestamp": "2024-01-01T00:00:00Z",
                "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n", "uid": "u", "controller": True}],
                "managedFields": [
                    {"manager": "m", "fieldsV1": {"f:spec": {"f:x": {}}}, "time": "2024-01-01T00:00:00Z"}
                ],
            },
            "spec": {
                "containers": [
                    {
                        "name": "c",
                        "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                        "livenessProbe": {"httpGet": {"port": "http", "path": "/"}, "initialDelaySeconds": 3},
                        "readinessProbe": {"tcpSocket": {"port": 80}},
                        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}],
                        "securityContext": {"runAsUser": 0, "privileged": False},
                    }
                ],
                "volumes": [
                    {"name": "v", "emptyDir": {}},
                    {"name": "w", "configMap": {"name": "m", "defaultMode": 420}},
                ],
                "terminationGracePeriodSeconds": 0,
            },
            "status": {"hostIP": "1.2.3.4"},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s"},
            "data": {"a": "AAEC", "b": "YWI="},
            "immutable": False,
        },
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "l"},
            "spec": {"renewTime": "2024-01-01T00:00:00.123456Z", "leaseDurationSeconds": 40},
        },
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": "u", "extra": {"scopes": ["a", "b"]}, "groups": ["g", "h"]},
            "status": {"allowed": True},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": "r"},
            "data": {"spec": {"a": [1, 2.5, None]}},
            "revision": -3,
        },
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "c"},
            "spec": {
                "group": "g",
                "names": {"plural": "p", "kind": "K"},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {
                            "openAPIV3Schema": {
                                "type": "object",
                                "minimum": 1.5,
                                "enum": ["a", 1, {"x": None}],
                                "default": {"a": 1},
                                "properties": {"a": {"items": {"type": "string"}, "additionalProperties": False}},
                                "additionalProperties": {"type": "integer"},
                            }
                        },
                    }
                ],
            },
        },
    ],
    ids=lambda obj: obj["kind"],
)
def test_an_object_survives_the_way_there_and_back(obj: dict[str, Any]) -> None:
    group, _, version = obj["apiVersion"].rpartition("/")
    type_ = SCHEMAS.kind(group, version, obj["kind"])
    assert type_ is not None
    wanted = check(copy.deepcopy(obj), type_).value
    assert check(roundtrip(obj), type_).value == wanted


def test_a_time_that_was_never_set_is_absent() -> None:
    metadata = put_bytes(1, b"a") + put_bytes(8, b"")
    body = (
        b"k8s\x00"
        + put_bytes(1, put_bytes(1, b"v1") + put_bytes(2, b"Namespace"))
        + put_bytes(2, put_bytes(1, metadata))
    )
    assert decode_protobuf(body, SCHEMAS)[2]["metadata"] == {"name": "a"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{}", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (CONFIGMAP[:-20], "unexpected EOF"),
        (CONFIGMAP.replace(b"ConfigMap", b"ConfigMop"), 'no kind "ConfigMop" is registered for version "v1"'),
    ],
)
def test_a_broken_body_is_a_bad_request(body: bytes, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_protobuf(body, SCHEMAS)
    assert caught.value.message == says


@given(st.binary(max_size=60))
def test_garbage_after_the_magic_never_ends_in_another_exception(garbage: bytes) -> None:
    pod = put_bytes(1, put_bytes(1, b"v1") + put_bytes(2, b"Pod")) + put_bytes(2, garbage)
    try:
        out = decode_protobuf(b"k8s\x00" + pod, SCHEMAS)[2]
    except BadRequest:
        return
    assert out["kind"] == "Pod"


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_integers_survive_their_varint(value: int) -> None:
    data = varint(value)
    read, end = read_varint(data, 0)
    assert (signed(read), end) == (value, len(data))


def test_fields_are_read_with_their_wire_types() -> None:
    data = put_varint(1, 300) + put_bytes(2, b"ab") + put_double(3, 1.5)
    assert [(number, wire) for number, wire, _ in fields(data)] == [(1, 0), (2, 2), (3, 1)]


@pytest.mark.parametrize("data", [b"\x00", b"\x0a\x05ab", b"\x80", b"\x0b", b"\x09abc"], ids=repr)
def test_malformed_fields_are_said_to_be_so(data: bytes) -> None:
    with pytest.raises(Malformed):
        list(fields(data))


def served_types() -> list[Type]:
    out = []
    for group_version, rows in SCHEMAS.resources.items():
        group, _, version = group_version.rpartition("/")
        out += [SCHEMAS.kind(group, version, row.kind) for name, row in rows.items() if "/" not in name]
    return [type_ for type_ in out if type_ is not None]


def test_every_field_of_every_served_kind_has_a_number_of_its_own() -> None:
    doubtful = []
    waiting, seen = served_types(), set()
    while waiting:
        type_ = waiting.pop()
        if type_.name in seen:
            continue
        seen.add(type_.name)
        numbered = [field for field in type_.declared if field.name != "TypeMeta"]
        if len(type_.by_number) != len(numbered):
            doubtful.append(type_.name)
        for field in numbered:
            inner = field.type.element or field.type
            waiting += [inner] if inner.shape == "struct" else []
    assert doubtful == []
