"""Texts for `kubectl explain`, from the optional package `kubernetes-validate`.

Upstream's descriptions are not copied into this project; where that package is installed they are read from its
schema of the release we serve, once, when the first document is asked for. Without it the documents have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

RELEASE: Final = "1.37"


class _Text(msgspec.Struct, frozen=True):
    description: str = ""


class _Definition(msgspec.Struct, frozen=True):
    description: str = ""
    properties: dict[str, _Text] = {}


class _File(msgspec.Struct, frozen=True, rename={"definitions": "$defs"}):
    definitions: dict[str, _Definition]


class Descriptions:
    """Descriptions of models (`io.k8s.api.core.v1.Pod`) and their fields; empty texts where there are none."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def model(self, model: str) -> str:
        found = self._definitions.get(model)
        return found.description if found else ""

    def field(self, model: str, name: str) -> str:
        found = self._definitions.get(model)
        text = found.properties.get(name) if found else None
        return text.description if text else ""


NONE: Final = Descriptions({})


def installed() -> Descriptions:
    """What the optional package has for our release; `NONE` when it is not installed. Reads 2 MB: some 10 ms."""
    spec = find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        return NONE
    folders = (Path(spec.origin).parent / "kubernetes-json-schema").glob(f"v{RELEASE}.*-local")
    for folder in sorted(folders):
        file = folder / "_definitions.json"
        if file.is_file():
            return Descriptions(msgspec.json.decode(file.read_bytes(), type=_File).definitions)
    return NONE
