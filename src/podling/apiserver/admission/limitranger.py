"""LimitRanger: a namespace's defaults for containers, and its bounds for Pods, containers and claims.

Defaults come before webhooks and validation, bounds after them: what is bounded is what would be stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from podling.api.errors import forbidden
from podling.api.kinds.core import limits
from podling.api.objects import prefix_of
from podling.apiserver.admission.attempt import Attempt
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
RANGES = prefix_of("", "limitranges")


class LimitRanger:
    subresources = True
    operations = ("CREATE", "UPDATE")
    kinds = (("", "Pod"), ("", "PersistentVolumeClaim"))

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attempt: Attempt) -> None:
        if attempt.operation != "CREATE" or attempt.subresource or attempt.served.kind.kind != "Pod":
            return
        if not self._cache.count(f"{RANGES}{attempt.namespace}/"):
            return
        for limit_range in self._ranges(attempt.namespace):
            limits.fill(attempt.obj, limit_range)

    async def validate(self, attempt: Attempt) -> None:
        """Raises Forbidden."""
        if not self._cache.count(f"{RANGES}{attempt.namespace}/") or not _bounded(attempt):
            return
        for limit_range in self._ranges(attempt.namespace):
            if errors := _errors(attempt, limit_range):
                why = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
                raise forbidden(attempt.served.entry.plural, attempt.obj["metadata"].get("name", ""), why)

    def _ranges(self, namespace: str) -> Iterator[Json]:
        return (found.json() for found in self._cache.list(f"{RANGES}{namespace}/"))


def _bounded(attempt: Attempt) -> bool:
    """A Pod's containers change by `resize` only; what is on its way out is let go."""
    if attempt.old is not None and attempt.old["metadata"].get("deletionTimestamp"):
        return False
    if attempt.served.kind.kind == "Pod" and attempt.operation == "UPDATE":
        return attempt.subresource == "resize"
    return not attempt.subresource


def _errors(attempt: Attempt, limit_range: Json) -> list[str]:
    view = attempt.served.kind.decode(orjson.dumps(attempt.obj))
    if attempt.served.kind.kind == "Pod":
        return limits.pod_errors(view.spec, limit_range)
    return limits.claim_errors(view.spec.resources.requests, limit_range)
