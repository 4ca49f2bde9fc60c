"""Roles and bindings every cluster begins with, brought to what they should be at each start.

What is missing is added: roles, rules, subjects, labels; what somebody added stays. Who writes the annotation
`rbac.authorization.kubernetes.io/autoupdate: "false"` on one of them keeps it as it is (Kubernetes documentation,
"Using RBAC", auto-reconciliation). A binding to another role is made anew, for a reference cannot change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from podling.api.errors import AlreadyExists, Conflict
from podling.api.kinds.rbac.views import PolicyRule, written
from podling.apiserver.authorization.policy import components, controllers, users
from podling.apiserver.authorization.policy.bindings import BINDINGS, kind_of
from podling.apiserver.authorization.policy.words import GROUP, Binding, Role
from podling.apiserver.authorization.rules import missing
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.create import create_object
from podling.apiserver.message import Request
from podling.apiserver.registry.bootstrap import SERVER
from podling.storage.interface import KeyNotFound

if TYPE_CHECKING:
    from podling.apiserver.backend import Backend

Json = dict[str, Any]
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
ROLES: Sequence[Role] = (*users.ROLES, *components.ROLES, *controllers.ROLES)


async def reconcile_policy(backend: Backend) -> None:
    """All at once: the store makes few commits of it."""
    wanted: Sequence[Role | Binding] = (*ROLES, *BINDINGS)
    await asyncio.gather(*(_ensure(backend, each) for each in wanted))


def manifest(wanted: Role | Binding) -> Json:
    """The object as it is created."""
    metadata: Json = {"name": wanted.name, "annotations": {AUTOUPDATE: "true"}, "labels": dict(LABELS)}
    if wanted.namespace:
        metadata["namespace"] = wanted.namespace
    body: Json = {"kind": kind_of(wanted), "apiVersion": f"{GROUP}/v1", "metadata": metadata}
    if isinstance(wanted, Role):
        metadata["labels"].update(dict.fromkeys(wanted.labels, "true"))
        if wanted.gathers:
            selectors = [{"matchLabels": {label: "true"}} for label in wanted.gathers]
            return {**body, "aggregationRule": {"clusterRoleSelectors": selectors}, "rules": []}
        return {**body, "rules": written(wanted.rules)}
    kind = "Role" if wanted.namespace else "ClusterRole"
    body["roleRef"] = {"apiGroup": GROUP, "kind": kind, "name": wanted.role}
    if wanted.subjects:
        body["subjects"] = written(wanted.subjects)
    return body


def reconciled(wanted: Json, found: Json) -> Json:
    """What `found` should be; equal to it where there is nothing to do."""
    metadata = dict(found["metadata"])
    if (metadata.get("annotations") or {}).get(AUTOUPDATE) == "false":
        return found
    for part in ("labels", "annotations"):
        metadata[part] = {**(metadata.get(part) or {}), **wanted["metadata"][part]}
    new = {**found, "metadata": metadata}
    if "subjects" in wanted:
        new["subjects"] = _joined(found.get("subjects"), wanted["subjects"])
    if "aggregationRule" in wanted:
        has = (found.get("aggregationRule") or {}).get("clusterRoleSelectors")
        selectors = _joined(has, wanted["aggregationRule"]["clusterRoleSelectors"])
        new["aggregationRule"] = {"clusterRoleSelectors": selectors}
    elif "rules" in wanted:
        held = msgspec.convert(found.get("rules") or [], tuple[PolicyRule, ...])
        lacking = [rule for rule in wanted["rules"] if missing(held, [msgspec.convert(rule, PolicyRule)])]
        new["rules"] = [*(found.get("rules") or []), *lacking]
    return new


def _joined(has: list[Json] | None, wants: list[Json]) -> list[Json]:
    return [*(has or []), *(each for each in wants if each not in (has or []))]


async def _ensure(backend: Backend, wanted: Role | Binding) -> None:
    served = backend.resources.get(GROUP, "v1", f"{kind_of(wanted).lower()}s")
    body, key = manifest(wanted), served.key(wanted.namespace, wanted.name)
    request = Request("POST", "", in_process=True)
    request.user = SERVER
    found = backend.cache.get(key)
    if found is not None and _other_role(body, found.json()):
        # Another server on the same store may be quicker, here and below.
        with contextlib.suppress(KeyNotFound, Conflict):
            await backend.cache.delete(key, expect=found.revision)
        found = None
    if found is None:
        with contextlib.suppress(AlreadyExists):
            await create_object(backend, request, served, served.entry.to_hub(body), dry=False)
    elif reconciled(body, present := found.json()) != present:
        make: Callable[[Json], Json] = lambda old: reconciled(body, old)  # noqa: E731
        await change(backend, request, Change(served, wanted.namespace, wanted.name, make))


def _other_role(wanted: Json, found: Json) -> bool:
    kept = (found["metadata"].get("annotations") or {}).get(AUTOUPDATE) == "false"
    return "roleRef" in wanted and not kept and found.get("roleRef") != wanted["roleRef"]
