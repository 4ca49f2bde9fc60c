"""Subjects of role bindings: users, groups, service accounts, as both kinds of bindings fill in and show them."""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, at, column
from podling.api.kinds.kind import Cell, Json, Kind, Strategy
from podling.api.kinds.rbac import oldversions
from podling.api.kinds.rbac.views import BindingView
from podling.api.kinds.versions import same_shape

GROUP = "rbac.authorization.k8s.io"


def subject_defaults(obj: Json) -> None:
    if obj.get("roleRef") is not None:
        obj["roleRef"]["apiGroup"] = obj["roleRef"].get("apiGroup") or GROUP
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = GROUP


def validate(obj: Json) -> list[Cause]:
    reference = obj.get("roleRef") or {}
    found = rules.one_of("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,))
    found += rules.one_of("roleRef.kind", reference.get("kind", ""), _role_kinds(obj))
    found += rules.named("roleRef.name", reference.get("name", ""), names.path_segment)
    for index, subject in enumerate(obj.get("subjects") or ()):
        found += _subject(f"subjects[{index}]", subject, needs_namespace=obj.get("kind") == "ClusterRoleBinding")
    return found


def _role_kinds(obj: Json) -> tuple[str, ...]:
    return ("ClusterRole",) if obj.get("kind") == "ClusterRoleBinding" else ("Role", "ClusterRole")


def _subject(path: str, subject: Json, *, needs_namespace: bool) -> list[Cause]:
    kind, found = subject.get("kind", ""), []
    if not subject.get("name"):
        found.append(causes.required(f"{path}.name"))
    if kind == "ServiceAccount":
        if subject.get("name"):
            found += rules.all_invalid(f"{path}.name", subject["name"], names.dns_subdomain(subject["name"]))
        if needs_namespace and not subject.get("namespace"):
            found.append(causes.required(f"{path}.namespace"))
        wanted = ""
    elif kind in ("User", "Group"):
        wanted = GROUP
    else:
        return [*found, causes.unsupported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group"))]
    return found + rules.one_of(f"{path}.apiGroup", subject.get("apiGroup", ""), (wanted,))


def validate_update(new: Json, old: Json) -> list[Cause]:
    if (new.get("roleRef") or {}) == (old.get("roleRef") or {}):
        return []
    return [causes.invalid("roleRef", new.get("roleRef"), "cannot change roleRef")]


def role(obj: Json, now: float) -> str:
    return f"{at(obj, 'roleRef.kind')}/{at(obj, 'roleRef.name')}"


def _of_kind(kind: str) -> Cell:
    def cell(obj: Json, now: float) -> str:
        found = (s for s in obj.get("subjects") or () if s.get("kind") == kind)
        return ", ".join(f"{s['namespace']}/{s['name']}" if s.get("namespace") else s.get("name", "") for s in found)

    return cell


subject_columns = (
    NAME,
    column("Role", role, description="What it gives."),
    AGE,
    column("Users", _of_kind("User"), wide=True, description="Users it is given to."),
    column("Groups", _of_kind("Group"), wide=True, description="Groups it is given to."),
    column("ServiceAccounts", _of_kind("ServiceAccount"), wide=True, description="Accounts it is given to."),
)


def binding_kind(kind: str) -> Kind:
    """The declaration of a kind of binding."""
    return Kind(
        GROUP,
        "v1",
        kind,
        BindingView,
        defaults=subject_defaults,
        validate=validate,
        validate_update=validate_update,
        name_rule=names.path_segment,
        strategy=Strategy(create_on_update=True),
        columns=subject_columns,
        conversions=oldversions.bindings(same_shape(GROUP, "v1beta1", subject_defaults, oldversions.HUB)),
    )
