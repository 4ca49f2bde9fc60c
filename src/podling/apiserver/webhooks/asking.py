"""Asking one webhook about one write: match, question, answer. What follows from it, the plugins decide."""

from __future__ import annotations

from typing import Any

from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.policies.conditions import ConditionsFailed, hold
from podling.apiserver.policies.denial import refused
from podling.apiserver.policies.sparing import Limits, spared
from podling.apiserver.policies.values import Facts
from podling.apiserver.registry.served import Served
from podling.apiserver.webhooks.client import WebhookClient, WebhookError
from podling.apiserver.webhooks.configurations import Hook
from podling.apiserver.webhooks.content import content_of, settled
from podling.apiserver.webhooks.matching import Matcher
from podling.apiserver.webhooks.rejection import CallFailed, denied, no_dry_run
from podling.apiserver.webhooks.review import BadReview, Verdict, question, verdict, version_of
from podling.env import Env

Json = dict[str, Any]


class Asking:
    def __init__(self, env: Env, client: WebhookClient, matcher: Matcher, facts: Facts) -> None:
        self._env, self._client, self._matcher, self._facts = env, client, matcher, facts

    async def wanted(self, hook: Hook, attempt: Attempt, *, mutating: bool) -> Served | None:
        """The version in which the webhook wants to see it, None where it does not. Raises NotFound, Forbidden."""
        served = self._matcher.version(hook.criteria, attempt)
        if served is None or not hook.conditions:
            return served
        values = await self._facts.values(attempt, served, mutating=mutating)

        def judge(limits: Limits) -> bool:
            return hold(hook.conditions, values, limits, ignores_failure=hook.ignores_failure)

        try:
            return served if await spared(self._env, judge, asks=hook.asks) else None
        except ConditionsFailed as error:
            raise refused(attempt, str(error)) from None

    async def ask(self, hook: Hook, attempt: Attempt, served: Served, *, mutating: bool) -> Verdict:
        """An allowing verdict. Raises CallFailed, Denied, BadRequest where it may not be asked about a dry run."""
        if attempt.dry and not hook.dry_run:
            raise no_dry_run(hook.name)
        uid = self._env.uid()
        content = await settled(lambda: content_of(attempt, served, mutating=mutating))
        try:
            version = version_of(hook.said.get("admissionReviewVersions") or ())
            body = question(version, uid, attempt, content)
            answer = await self._client.call(hook.said.get("clientConfig") or {}, hook.timeout, body)
        except (WebhookError, BadReview) as error:
            raise CallFailed(hook.name, f"failed to call webhook: {error}") from None
        try:
            found = verdict(answer, version, uid, mutating=mutating)
        except BadReview as error:
            raise CallFailed(hook.name, f"received invalid webhook response: {error}") from None
        for text in found.warnings:
            attempt.request.warn(text)
        for key, text in (found.annotations or {}).items():
            attempt.request.note(f"{hook.name}/{key}", str(text))
        if not found.allowed:
            raise denied(hook.name, found.status)
        return found
