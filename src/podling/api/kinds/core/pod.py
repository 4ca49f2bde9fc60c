"""Pod."""

from __future__ import annotations

from podling.api.kinds.core.podspec import PodSpec
from podling.api.kinds.core.podstatus import PodStatus
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View


class Pod(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()
