"""CustomResourceDefinitions for tests: made, waited for, and taken away again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.conformance.kube import Json, Kube, Resource, conditions

DEFINITIONS = "apiextensions.k8s.io/v1/customresourcedefinitions"
ANYTHING: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@dataclass
class Defined:
    """A definition that is served."""

    kube: Kube
    name: str
    group: str
    kind: str
    plural: str
    singular: str

    def at(self, namespace: str = "", version: str = "v1") -> Resource:
        return self.kube.at(f"{self.group}/{version}/{self.plural}", namespace)

    def body(self, name: str, version: str = "v1", **fields: Any) -> Json:
        head = {"apiVersion": f"{self.group}/{version}", "kind": self.kind, "metadata": {"name": name}}
        return {**head, **fields}


def definition(
    word: str, schema: Json | None = None, *, group: str = "", scope: str = "Namespaced", **version: Any
) -> Json:
    """A definition of kind `Noxu<word>` with one version; `version` is merged into it."""
    kind = "Noxu" + "".join(part.capitalize() for part in word.split("-"))
    singular = kind.lower()
    group = group or f"{word}.example.com"
    served = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": copy.deepcopy(schema or ANYTHING)},
        **version,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": f"{singular}s", "singular": singular},
            "versions": [served],
        },
    }


@contextmanager
def served(kube: Kube, body: Json) -> Iterator[Defined]:
    """Creates the definition, waits until it is established, deletes it in the end."""
    definitions = kube.at(DEFINITIONS)
    name = body["metadata"]["name"]
    definitions.create(body)
    try:
        definitions.until(name, lambda found: conditions(found).get("Established") == "True")
        spec = body["spec"]
        yield Defined(
            kube, name, spec["group"], spec["names"]["kind"], spec["names"]["plural"], spec["names"]["singular"]
        )
    finally:
        definitions.delete(name)
        definitions.gone(name)


@contextmanager
def defined(kube: Kube, word: str, schema: Json | None = None, **version: Any) -> Iterator[Defined]:
    with served(kube, definition(word, schema, **version)) as made:
        yield made
