"""A CustomResourceDefinition to try things on, and objects of it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.apiserver.serving import Api

Json = dict[str, Any]

GROUP = "stable.example.com"
NAME = f"crontabs.{GROUP}"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CRONTABS = f"/apis/{GROUP}/v1/namespaces/default/crontabs"
EVERY_FIVE = "* * * * */5"

SPEC: Json = {
    "type": "object",
    "required": ["cronSpec"],
    "properties": {
        "cronSpec": {"type": "string", "pattern": r"^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$", "description": "When."},
        "image": {"type": "string", "default": "busybox"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "color": {"type": "string", "enum": ["red", "green"]},
        "port": {"x-kubernetes-int-or-string": True},
        "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
            },
        },
    },
}
STATUS: Json = {
    "type": "object",
    "properties": {"replicas": {"type": "integer"}, "labelSelector": {"type": "string"}},
}


def version(name: str = "v1", *, storage: bool = True, served: bool = True, **more: Any) -> Json:
    schema = {"type": "object", "description": "Runs by the clock.", "properties": {"spec": SPEC, "status": STATUS}}
    return {
        "name": name,
        "served": served,
        "storage": storage,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [
            {"name": "Spec", "type": "string", "jsonPath": ".spec.cronSpec"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.labelSelector",
            },
        },
        **more,
    }


def definition(*versions: Json, plural: str = "crontabs", kind: str = "CronTab", **names: Any) -> Json:
    said = {"plural": plural, "singular": kind.lower(), "kind": kind, "shortNames": ["ct"], "categories": ["all"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {**said, **names},
            "versions": list(versions) or [version()],
        },
    }


def crontab(name: str = "a", api: str = "v1", metadata: Json | None = None, **spec: Any) -> Json:
    return {
        "apiVersion": f"{GROUP}/{api}",
        "kind": "CronTab",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"cronSpec": EVERY_FIVE, **spec},
    }


async def defined(api: Api, crd: Json | None = None) -> Json:
    """A CRD that is established; its conditions are waited for, as a client would."""
    crd = crd or definition()
    await api.make(CRDS, crd)
    return await until(api, crd["metadata"]["name"], "Established")


async def until(api: Api, name: str, condition: str, said: str = "True") -> Json:
    """The CRD once a condition of it says so."""
    async with asyncio.timeout(5):
        async with api.watching(CRDS, fieldSelector=f"metadata.name={name}") as events:
            async for event in events:
                found: Json = event["object"]
                for each in (found.get("status") or {}).get("conditions") or ():
                    if (each["type"], each["status"]) == (condition, said):
                        return found
    raise AssertionError("the watch has ended")


def condition(crd: Json, type_: str) -> Json:
    return next(each for each in crd["status"]["conditions"] if each["type"] == type_)
