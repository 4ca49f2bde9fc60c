"""The custom resource that the fuzzed server serves: two versions, all that a definition can say."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]


class Custom(NamedTuple):
    """A version of the custom resource that the fuzzed server serves, as far as a `Resource` is needed here."""

    version: str
    group: str = "fuzz.example.com"
    plural: str = "gadgets"
    kind: str = "Gadget"
    namespaced: bool = True
    subresources: tuple[str, ...] = ("status", "scale")

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    def from_hub(self, obj: Json) -> Json:
        return obj


OPEN = {"x-kubernetes-preserve-unknown-fields": True}


def _gadget(version: str, *, storage: bool) -> Json:
    text: Json = {"type": "string"}
    port = {
        "type": "object",
        "required": ["number"],
        "properties": {"number": {"type": "integer", "minimum": 1, "maximum": 65535}, "name": {**text, "default": "p"}},
    }
    spec = {
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.replicas <= self.limit", "message": "too many"}],
        "properties": {
            "replicas": {"type": "integer", "default": 1},
            "limit": {"type": "integer", "default": 5, "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]},
            "size": {"x-kubernetes-int-or-string": True},
            "color": {**text, "enum": ["red", "green"]},
            "since": {**text, "format": "date-time", "nullable": True},
            "ports": {
                "type": "array",
                "items": port,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["number"],
            },
            "tags": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
            "anything": {"type": "object", **OPEN},
            "template": {"type": "object", "x-kubernetes-embedded-resource": True, **OPEN},
            "by": {"type": "object", "additionalProperties": {"type": "number"}},
        },
    }
    status = {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": text}}
    paths = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    return {
        "name": version,
        "served": True,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "subresources": {"status": {}, "scale": {**paths, "labelSelectorPath": ".status.selector"}},
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
        "selectableFields": [{"jsonPath": ".spec.color"}],
    }


DEFINITION: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.fuzz.example.com"},
    "spec": {
        "group": "fuzz.example.com",
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
        "versions": [_gadget("v1", storage=True), _gadget("v1beta1", storage=False)],
    },
}
GADGET: Json = {
    "metadata": {"name": "one"},
    "spec": {
        "replicas": 2,
        "size": "50%",
        "color": "red",
        "since": "2026-01-01T00:00:00Z",
        "ports": [{"number": 80}, {"number": 81, "name": "x"}],
        "tags": ["a", "b"],
        "anything": {"a": [1, {"b": None}]},
        "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}}},
        "by": {"x": 1.5},
    },
}
