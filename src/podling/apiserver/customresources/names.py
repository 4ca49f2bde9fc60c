"""Which of a CRD's names are accepted: the conditions NamesAccepted and Established, in upstream's words.

Names of one group must not mean two things; what was accepted once stays so, whoever comes later has the conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from podling.api.kinds.apiextensions.customresourcedefinition import (
    APPROVED,
    INVALID_APPROVAL,
    MISSING_APPROVAL,
    protected,
)
from podling.env import rfc3339

Json = dict[str, Any]
INITIAL = "the initial names have been accepted"


def judged(crd: Json, others: Iterable[Json], now: float) -> Json:
    """The status the CRD shall have; `others` are the CRDs of the same group but this one, `now` in seconds."""
    status = dict(crd.get("status") or {})
    wanted = crd["spec"].get("names") or {}
    accepted, reason, message = _accepted(wanted, status.get("acceptedNames") or {}, list(others))
    names = ("False", reason, message) if reason else ("True", "NoConflicts", "no conflicts found")
    conditions = list(status.get("conditions") or ())
    conditions = with_condition(conditions, "NamesAccepted", *names, now)
    if not is_true(conditions, "Established"):
        established = (
            ("False", "NotAccepted", "not all names are accepted")
            if reason
            else ("True", "InitialNamesAccepted", INITIAL)
        )
        conditions = with_condition(conditions, "Established", *established, now)
    if policy := _approval(crd):
        conditions = with_condition(conditions, "KubernetesAPIApprovalPolicy", *policy, now)
    return {**status, "acceptedNames": accepted, "conditions": conditions}


def _approval(crd: Json) -> tuple[str, str, str] | None:
    """What the community said of a definition in one of its groups; None for all others."""
    if not protected(crd["spec"].get("group") or ""):
        return None
    said = (crd["metadata"].get("annotations") or {}).get(APPROVED) or ""
    if said.startswith("unapproved"):
        return "False", "UnapprovedAnnotation", f'not approved: "{said}"'
    if said.startswith(("https://", "http://")):
        return "True", "ApprovedAnnotation", f"approved in {said}"
    if said:
        return "False", "InvalidAnnotation", INVALID_APPROVAL
    return "False", "MissingAnnotation", MISSING_APPROVAL


def is_true(conditions: Iterable[Mapping[str, Any]], type_: str) -> bool:
    return any(each.get("type") == type_ and each.get("status") == "True" for each in conditions)


def with_condition(conditions: Sequence[Json], type_: str, said: str, reason: str, text: str, now: float) -> list[Json]:
    """The conditions with this one; its time moves when its status does."""
    new = {"type": type_, "status": said, "lastTransitionTime": rfc3339(now), "reason": reason, "message": text}
    out = []
    for each in conditions:
        if each.get("type") != type_:
            out.append(each)
            continue
        if each.get("status") == said:
            new["lastTransitionTime"] = each.get("lastTransitionTime") or new["lastTransitionTime"]
        out.append(new)
    return out if any(each.get("type") == type_ for each in out) else [*out, new]


def _accepted(wanted: Json, before: Json, others: Sequence[Json]) -> tuple[Json, str, str]:
    """The names that may be used, and reason and message of the last conflict."""
    resources, kinds = _taken(others)
    out: Json = {"plural": before.get("plural", ""), "kind": before.get("kind", "")}
    out |= {key: before[key] for key in ("singular", "shortNames", "listKind") if key in before}
    reason = message = ""
    checks = (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("shortNames", resources, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    )
    for key, taken, conflict in checks:
        said, had = wanted.get(key), before.get(key)
        clashes = _clashes(said, had, taken)
        if clashes:
            reason, message = conflict, ", ".join(f'"{name}" is already in use' for name in clashes)
            message = f"[{message}]" if len(clashes) > 1 else message
        elif said:
            out[key] = said
        else:
            out.pop(key, None)
    if wanted.get("categories"):
        out["categories"] = wanted["categories"]
    return out, reason, message


def _clashes(said: Any, had: Any, taken: set[str]) -> list[str]:
    if isinstance(said, list):
        return [name for name in said if name in taken and name not in (had or ())]
    return [said] if said and said != had and said in taken else []


def _taken(others: Sequence[Json]) -> tuple[set[str], set[str]]:
    resources: set[str] = set()
    kinds: set[str] = set()
    for crd in others:
        names = (crd.get("status") or {}).get("acceptedNames") or {}
        resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
        kinds |= {names.get("kind", ""), names.get("listKind", "")}
    return resources - {""}, kinds - {""}
