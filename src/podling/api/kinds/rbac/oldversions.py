"""The roles and bindings of rbac.authorization.k8s.io before v1.

v1beta1 has the shape of v1. In v1alpha1 a subject gave an apiVersion instead of a group, and the user `*` was everybody
who had said who he is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import replaced, same_shape, with_spec, without_defaults

GROUP: Final = "rbac.authorization.k8s.io"
HUB: Final = f"{GROUP}/v1"
ALPHA: Final = f"{GROUP}/v1alpha1"

Words = Callable[[str], str]


ROLES: Final = (
    same_shape(GROUP, "v1beta1", without_defaults, HUB),
    same_shape(GROUP, "v1alpha1", without_defaults, HUB),
)


def alpha_defaults(obj: Json) -> None:
    if obj.get("roleRef") is not None:
        obj["roleRef"]["apiGroup"] = obj["roleRef"].get("apiGroup") or GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiVersion"):
            subject["apiVersion"] = "v1" if subject.get("kind") == "ServiceAccount" else ALPHA
        if (subject.get("kind"), subject.get("name")) == ("User", "*"):
            subject |= {"kind": "Group", "name": "system:authenticated"}


def bindings(beta: Conversion) -> tuple[Conversion, ...]:
    """`beta` has the defaults of v1."""
    return (beta, with_spec(GROUP, "v1alpha1", alpha_defaults, HUB, _to_hub, _from_hub))


def _to_hub(obj: Json) -> Json:
    return _subjects(obj, "apiVersion", "apiGroup", lambda version: version.rpartition("/")[0])


def _from_hub(obj: Json) -> Json:
    return _subjects(obj, "apiGroup", "apiVersion", lambda group: f"{group}/v1alpha1" if group else "v1")


def _subjects(obj: Json, old: str, new: str, change: Words) -> Json:
    if not obj.get("subjects"):
        return obj
    return obj | {"subjects": [_subject(one, old, new, change) for one in obj["subjects"]]}


def _subject(subject: Json, old: str, new: str, change: Words) -> Json:
    value = change(subject.get(old, ""))
    return replaced(subject, **{old: None}) | ({new: value} if value else {})
