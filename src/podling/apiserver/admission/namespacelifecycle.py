"""Nothing is created in a namespace that is absent or terminating; the system's own namespaces stay."""

from __future__ import annotations

from podling.api.errors import Cause, Forbidden, NotFound, forbidden, not_found
from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.storage.watchcache import WatchCache

IMMORTAL = ("default", "kube-system", "kube-public")


class NamespaceLifecycle:
    operations = ("CREATE", "DELETE")

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache

    async def admit(self, attempt: Attempt) -> None:
        entry = attempt.served.entry
        if attempt.operation == "DELETE":
            if entry.kind == "Namespace" and attempt.obj["metadata"]["name"] in IMMORTAL:
                raise forbidden("namespaces", attempt.obj["metadata"]["name"], "this namespace may not be deleted")
            return
        if not entry.namespaced:
            return
        found = self._cache.get(key_of("", "namespaces", "", attempt.namespace))
        if found is not None and not found.head.deleting:
            return
        if entry.kind == "LocalSubjectAccessReview":
            # A question is not kept, so it may be about a namespace that is not there.
            return
        raise _absent(attempt.namespace) if found is None else terminating(attempt)


def _absent(namespace: str) -> NotFound:
    return not_found("namespaces", namespace)


def terminating(attempt: Attempt) -> Forbidden:
    """With the cause by which controllers know that trying again is useless."""
    namespace, entry = attempt.namespace, attempt.served.entry
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    error = forbidden(entry.plural, attempt.obj["metadata"].get("name", ""), why, entry.group)
    cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
    return Forbidden(error.message, group=error.group, kind=error.kind, name=error.name, causes=[cause])
