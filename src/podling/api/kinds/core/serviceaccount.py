"""ServiceAccount.

An identity for processes in Pods. Its tokens are asked for by TokenRequest; the Secrets it may name are history.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME
from podling.api.kinds.core.references import LocalObjectReference, ObjectReference
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View

MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


class ServiceAccount(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    secrets: tuple[ObjectReference, ...] = ()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    automount_service_account_token: bool | None = None


def warnings(obj: Json, old: Json | None) -> list[str]:
    if MOUNTABLE not in (obj["metadata"].get("annotations") or {}):
        return []
    text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{MOUNTABLE}]: {text}"]


KIND = Kind(
    "",
    "v1",
    "ServiceAccount",
    ServiceAccount,
    warnings=warnings,
    strategy=Strategy(unconditional_update=False, returns_deleted=True),
    columns=(NAME, AGE),
)
