"""ValidatingAdmissionWebhook: all that want to see the object are asked at once, one no is enough."""

from __future__ import annotations

import asyncio

from podling.api.errors import ApiError
from podling.apiserver.admission.attempt import OPERATIONS, Attempt
from podling.apiserver.registry.served import Served
from podling.apiserver.webhooks.asking import Asking
from podling.apiserver.webhooks.configurations import Configurations, Hook
from podling.apiserver.webhooks.matching import exempt
from podling.apiserver.webhooks.rejection import CallFailed


class ValidatingWebhooks:
    name = "ValidatingAdmissionWebhook"
    subresources = True
    operations = OPERATIONS

    def __init__(self, configurations: Configurations, asking: Asking) -> None:
        self._configurations, self._asking = configurations, asking

    async def validate(self, attempt: Attempt) -> None:
        """Of several that refuse, the first by order of the configurations is told."""
        hooks = self._configurations.hooks
        if not hooks or exempt(attempt):
            return
        wanted = [(hook, await self._asking.wanted(hook, attempt, mutating=False)) for hook in hooks]
        asked = [(hook, served) for hook, served in wanted if served is not None]
        if len(asked) == 1:
            refusals = [await self._one(*asked[0], attempt)]
        else:
            refusals = await asyncio.gather(*(self._one(hook, served, attempt) for hook, served in asked))
        for refusal in refusals:
            if refusal is not None:
                raise refusal

    async def _one(self, hook: Hook, served: Served, attempt: Attempt) -> ApiError | None:
        try:
            await self._asking.ask(hook, attempt, served, mutating=False)
        except CallFailed as failure:
            return None if hook.ignores_failure else failure.error()
        except ApiError as refusal:
            return refusal
        return None
