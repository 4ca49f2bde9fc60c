"""ServiceAccount."""

from __future__ import annotations

from podling.api.kinds.core.references import LocalObjectReference, ObjectReference
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View


class ServiceAccount(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    secrets: tuple[ObjectReference, ...] = ()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    automount_service_account_token: bool | None = None
