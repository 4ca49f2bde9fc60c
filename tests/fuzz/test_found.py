"""What fuzzing has found: each request that once ended in a 500, with those before it that it needed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podling.api.schema import load
from podling.apiserver.endpoints.ownership import without_nulls
from tests.fuzz.generating import Sent
from tests.fuzz.serving import Fuzzed

JSON, APPLY = "application/json", "application/apply-patch+yaml"
DEFAULT = "/api/v1/namespaces/default"
DRIVERS = "/apis/storage.k8s.io/v1beta1/csidrivers"
DEFINITION = "/apis/apiextensions.k8s.io/v1beta1/customresourcedefinitions/things.example.com"


def sent(method: str, target: str, body: Any, media: str = JSON) -> Sent:
    return Sent(method, target, (("content-type", media), ("accept", JSON)), json.dumps(body).encode())


def driver(**spec: Any) -> Sent:
    body = {"apiVersion": "storage.k8s.io/v1beta1", "kind": "CSIDriver", "metadata": {"name": "one"}, "spec": spec}
    return sent("PATCH", f"{DRIVERS}/one?fieldManager=fuzz&force=true", body, APPLY)


def definition(**spec: Any) -> Sent:
    names = {"kind": "Thing", "plural": "things"}
    kept = {"group": "example.com", "names": names, "scope": "Namespaced", "version": "v1"}
    schema = {"openAPIV3Schema": {"type": "object"}}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1beta1",
        "kind": "CustomResourceDefinition",
        "spec": {**kept, "validation": schema, "preserveUnknownFields": False, **spec},
    }
    return sent("PATCH", f"{DEFINITION}?fieldManager=fuzz&force=true", body, APPLY)


def gadget(version: str, **metadata: Any) -> Sent:
    api = f"fuzz.example.com/{version}"
    body = {"apiVersion": api, "kind": "Gadget", "metadata": metadata, "spec": {"size": 1}}
    return sent("PATCH", f"/apis/{api}/namespaces/default/gadgets/one?fieldManager=fuzz&force=true", body, APPLY)


FOUND = {
    "a secret with null for bytes": [
        sent("POST", f"{DEFAULT}/secrets", {"metadata": {"name": "null"}, "data": {"password": None}})
    ],
    "an apply that empties the spec of an old version": [driver(attachRequired=False), driver()],
    "an apply that empties a part that conversions fill": [definition(conversion={"strategy": "None"}), definition()],
    "an apply of empty metadata, then of another version": [gadget("v1"), gadget("v1beta1", labels={"a": "b"})],
    "an apply of metadata that says nothing any more": [gadget("v1beta1", labels={}), gadget("v1", generateName="g-")],
}


@pytest.mark.parametrize("requests", FOUND.values(), ids=FOUND)
async def test_what_once_ended_in_a_500_does_no_more(requests: list[Sent]) -> None:
    server = Fuzzed()
    await server.start()
    try:
        for request in requests:
            assert not await server.all([request])
        assert max(server.codes) < 500
    finally:
        await server.stop()


def test_what_is_emptied_is_absent_for_conversions_and_free_values_are_left() -> None:
    type_ = load().kind("apiextensions.k8s.io", "v1beta1", "CustomResourceDefinition")
    assert type_ is not None
    schema = {"type": "object", "default": None}
    body = {"spec": {"conversion": None, "validation": {"openAPIV3Schema": schema}, "names": {"kind": None}}}
    assert without_nulls(body, type_)["spec"].keys() == {"validation", "names"}
