"""MutatingAdmissionWebhook: asked one after the other, each sees what those before it made of the object.

Where one changed the object, the whole chain runs once more, and of the webhooks those are asked again that said
`reinvocationPolicy: IfNeeded` and were asked before the last change (Kubernetes documentation, "Dynamic Admission
Control", reinvocation policy).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from podling.api.errors import ApiError, InternalError
from podling.api.patch import json_patch
from podling.api.patch.values import copied
from podling.apiserver.admission.attempt import OPERATIONS, Attempt
from podling.apiserver.registry.served import Served
from podling.apiserver.webhooks.asking import Asking
from podling.apiserver.webhooks.configurations import Configurations, Hook
from podling.apiserver.webhooks.content import content_of, settled, take_back
from podling.apiserver.webhooks.matching import exempt
from podling.apiserver.webhooks.rejection import CallFailed, quoted
from podling.apiserver.webhooks.review import Verdict

Json = dict[str, Any]
KEY = "mutating webhooks"


@dataclass(slots=True)
class Rounds:
    """Of one attempt: who may be asked again, and who has to be. Webhooks and policies keep one each."""

    reinvocable: dict[str, None] = field(default_factory=dict)
    due: dict[str, None] = field(default_factory=dict)
    left: Json | None = None
    """The object as the first run left it."""

    def begin(self, attempt: Attempt) -> None:
        """Where others have changed the object since, those asked before are asked again, too."""
        if attempt.again and attempt.obj != self.left:
            self.changed()

    def end(self, attempt: Attempt) -> None:
        if not attempt.again:
            self.left = copied(attempt.obj)

    def changed(self) -> None:
        """Somebody changed the object: those asked before are asked again."""
        self.due.update(self.reinvocable)
        self.reinvocable.clear()


class MutatingWebhooks:
    name = "MutatingAdmissionWebhook"
    subresources = True
    operations = OPERATIONS

    def __init__(self, configurations: Configurations, asking: Asking) -> None:
        self._configurations, self._asking = configurations, asking

    async def admit(self, attempt: Attempt) -> bool:
        """Whether the object was changed, so that the chain has to run again."""
        hooks = self._configurations.hooks
        if not hooks or exempt(attempt):
            return False
        rounds: Rounds = attempt.memory.setdefault(KEY, Rounds())
        rounds.begin(attempt)
        changed = False
        for hook in hooks:
            if attempt.again and hook.id not in rounds.due:
                continue
            served = await self._asking.wanted(hook, attempt, mutating=True)
            if served is None:
                continue
            if await self._one(hook, attempt, served):
                rounds.changed()
                changed = True
            if hook.reinvoked:
                rounds.reinvocable[hook.id] = None
        rounds.end(attempt)
        return changed

    async def _one(self, hook: Hook, attempt: Attempt, served: Served) -> bool:
        try:
            verdict = await self._asking.ask(hook, attempt, served, mutating=True)
            return await self._patched(hook, attempt, served, verdict)
        except CallFailed as failure:
            if hook.ignores_failure:
                return False
            raise failure.error() from None

    @staticmethod
    async def _patched(hook: Hook, attempt: Attempt, served: Served, verdict: Verdict) -> bool:
        """Raises InternalError for a patch that does not fit, CallFailed for one of another kind."""
        if not verdict.patch:
            return False
        try:
            operations = orjson.loads(verdict.patch)
        except orjson.JSONDecodeError as error:
            raise InternalError(f"Internal error occurred: {error}") from None
        if not operations:
            return False
        if attempt.operation == "DELETE":
            why = "attempted to modify the object, which is not supported for this operation"
            raise InternalError(f"Internal error occurred: admission webhook {quoted(hook.name)} {why}")
        if verdict.patch_type != "JSONPatch":
            raise CallFailed(hook.name, f"unsupported patch type {quoted(verdict.patch_type)}")
        shown = await settled(lambda: content_of(attempt, served, mutating=True).object)
        before: Json = copied(attempt.obj)
        try:
            changed = json_patch(shown, operations)
        except ApiError as error:
            why = error.message.removeprefix("the server rejected our request due to an error in our request: ")
            raise InternalError(f"Internal error occurred: {why}") from None
        await settled(lambda: take_back(attempt, served, changed))
        return before != attempt.obj
