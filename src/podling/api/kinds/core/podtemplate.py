"""PodTemplate.

A template kept by itself.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds.cells import NAME, at, column, labels_text
from podling.api.kinds.core import poddefaults, podrules
from podling.api.kinds.kind import Json, Kind, Strategy


def defaults(obj: Json) -> None:
    poddefaults.template(obj.setdefault("template", {}))


def validate(obj: Json) -> list[Cause]:
    return podrules.template("template", obj.get("template"))


def _listed(obj: Json, key: str) -> str:
    return ",".join(container.get(key, "") for container in at(obj, "template.spec.containers") or ())


KIND = Kind(
    "",
    "v1",
    "PodTemplate",
    defaults=defaults,
    validate=validate,
    strategy=Strategy(generation=True, returns_deleted=True),
    columns=(
        NAME,
        column("Containers", lambda obj, _: _listed(obj, "name"), description="Names of the containers."),
        column("Images", lambda obj, _: _listed(obj, "image"), description="Their images."),
        column("Pod Labels", lambda obj, _: labels_text(at(obj, "template.metadata.labels")), description="Labels."),
    ),
)
