"""The values behind the variables of an expression, for one write in one version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from podling.api import cel
from podling.api.cel import Authorizer as CelAuthorizer
from podling.api.cel import Budget, CelError, CelEvaluationError, Check, Decision
from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.authorization.question import Authorizer, Question
from podling.apiserver.message import User
from podling.apiserver.registry.served import Served
from podling.apiserver.webhooks.content import Content, content_of, settled
from podling.apiserver.webhooks.matching import name_of
from podling.apiserver.webhooks.review import request_of
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
_METADATA = (
    "name",
    "generateName",
    "namespace",
    "labels",
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "resourceVersion",
    "finalizers",
)
SERVICE_ACCOUNT = "system:serviceaccount"


class Facts:
    """What expressions may ask about besides the objects themselves."""

    def __init__(self, cache: WatchCache, authorizer: Authorizer) -> None:
        self._cache, self._authorizer = cache, authorizer

    async def values(self, attempt: Attempt, served: Served, *, mutating: bool) -> Json:
        """All variables but `params` and `variables`."""
        content = await settled(lambda: content_of(attempt, served, mutating=mutating))
        return self.of_content(attempt, content)

    def of_content(self, attempt: Attempt, content: Content) -> Json:
        request = request_of("", attempt, content)
        for key in ("uid", "object", "oldObject"):
            del request[key]
        if request["options"] is None:
            del request["options"]
        asking = CelAuthorizer(lambda check: self._decide(attempt.request.user, check))
        group, _, plural = content.resource
        about = asking.resource_check(group, plural, content.subresource, attempt.namespace, name_of(attempt))
        return {
            "object": content.object,
            "oldObject": content.old,
            "request": request,
            "namespaceObject": self._namespace(attempt),
            "authorizer": asking,
            "authorizer.requestResource": about,
        }

    def _namespace(self, attempt: Attempt) -> Json | None:
        if not attempt.namespace:
            return None
        found = self._cache.get(key_of("", "namespaces", "", attempt.namespace))
        if found is None:
            return None
        said = found.json()
        metadata = {key: said["metadata"][key] for key in _METADATA if key in said["metadata"]}
        metadata["UID"] = found.head.uid
        phase = (said.get("status") or {}).get("phase")
        finalizers = (said.get("spec") or {}).get("finalizers")
        return {
            "metadata": metadata,
            "spec": {"finalizers": finalizers} if finalizers else {},
            "status": {"phase": phase} if phase else {},
        }

    def _decide(self, user: User, check: Check) -> Decision:
        if check.service_account is not None:
            namespace, name = check.service_account
            groups = (f"{SERVICE_ACCOUNT}s", f"{SERVICE_ACCOUNT}s:{namespace}", "system:authenticated")
            user = User(f"{SERVICE_ACCOUNT}:{namespace}:{name}", groups)
        question = Question(
            user,
            check.verb,
            check.group,
            check.resource,
            check.subresource,
            check.namespace,
            check.name,
            check.path,
            check.field_selector,
        )
        decision = self._authorizer.decide(question)
        return Decision(decision.allowed, decision.reason)


class Composed(Mapping[str, Any]):
    """`variables`: each is evaluated when it is first named, and only once."""

    def __init__(self, programs: Mapping[str, cel.Program | CelError], values: Json, budget: Budget) -> None:
        """`values` are those the variables are made of; this one is put among them."""
        self._programs, self._values, self._budget = programs, values, budget
        self._known: dict[str, Any] = {}
        values["variables"] = self

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            program = self._programs[name]
            if isinstance(program, CelError):
                raise CelEvaluationError(f'composited variable "{name}" fails to compile: {program.message}')
            try:
                self._known[name] = program.evaluate(self._values, self._budget)
            except CelEvaluationError as error:
                raise CelEvaluationError(f'composited variable "{name}" fails to evaluate: {error.message}') from None
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._programs)

    def __len__(self) -> int:
        return len(self._programs)


def plain(value: Any) -> Any:
    """What an expression gave as JSON. Raises CelEvaluationError for what JSON cannot hold."""
    try:
        return orjson.loads(orjson.dumps(value, default=_default))
    except (TypeError, orjson.JSONEncodeError) as error:
        raise CelEvaluationError(f"the result is no JSON: {error}") from None


def _default(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)
