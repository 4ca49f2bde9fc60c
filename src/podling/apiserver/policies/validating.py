"""ValidatingAdmissionPolicy: what every binding of every policy says about a write, and what follows (KEP-3488)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from podling.api.cel import PER_VALIDATION, Budget, CelBudgetExceeded, CelError
from podling.api.errors import Cause
from podling.apiserver.admission.attempt import OPERATIONS, Attempt
from podling.apiserver.policies.compiling import evaluated
from podling.apiserver.policies.conditions import ConditionsFailed, hold
from podling.apiserver.policies.definitions import Binding, Policies, Policy, Validation
from podling.apiserver.policies.denial import Denial, denied
from podling.apiserver.policies.params import NoParams, Params
from podling.apiserver.policies.sparing import FULL, Limits, spared
from podling.apiserver.policies.values import Composed, Facts
from podling.apiserver.registry.served import Served
from podling.apiserver.webhooks.matching import Matcher, exempt
from podling.env import Env

Json = dict[str, Any]
LONGEST_MESSAGE = 5 * 1024
FAILED = "validation.policy.admission.k8s.io/validation_failure"
NO_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


class Failure(NamedTuple):
    """One validation that did not hold; `reason` as in a Status."""

    message: str
    reason: str = "Invalid"
    number: int = 0
    """Which of the policy's validations."""


class ValidatingPolicies:
    name = "ValidatingAdmissionPolicy"
    subresources = True
    operations = OPERATIONS

    def __init__(self, env: Env, policies: Policies, matcher: Matcher, params: Params, facts: Facts) -> None:
        self._env, self._policies, self._matcher, self._params, self._facts = env, policies, matcher, params, facts

    async def validate(self, attempt: Attempt) -> None:
        """Raises the first denial, with its policy's reason."""
        if not self._policies.bound or exempt(attempt):
            return
        shown: dict[Served, Json] = {}
        denials: list[Denial] = []
        for policy in self._policies.bound:
            served = self._matcher.version(policy.criteria, attempt)
            if served is None:
                continue
            for binding in policy.bindings:
                if binding.criteria is None or self._matcher.version(binding.criteria, attempt) is not None:
                    if served not in shown:
                        shown[served] = await self._facts.values(attempt, served, mutating=False)
                    denials += await self._bound(attempt, policy, binding, shown[served])
        if denials:
            raise denied(attempt, denials[0], [Cause("", denials[0].message)])

    async def _bound(self, attempt: Attempt, policy: Policy, binding: Binding, values: Json) -> list[Denial]:
        try:
            params = self._params.collect(policy.param_kind, binding.param_ref, attempt.namespace)
        except NoParams as error:
            why = f"failed to configure binding: {error}"
            return [] if policy.ignores_failure else [Denial(policy.name, binding.name, why, "Invalid")]
        await policy.ready(self._env)
        found = [failure for each in params for failure in await self._judged(policy, {**values, "params": each})]
        if "Warn" in binding.actions:
            about = f"Validation failed for ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
            for failure in found:
                attempt.request.warn(f"{about}: {failure.message}")
        if found and "Audit" in binding.actions:
            _note(attempt, policy, binding, found)
        if "Deny" not in binding.actions:
            return []
        return [Denial(policy.name, binding.name, failure.message, failure.reason) for failure in found]

    async def _judged(self, policy: Policy, values: Json) -> list[Failure]:
        def judge(limits: Limits) -> list[Failure]:
            return list(failures(policy, dict(values), limits))

        return await spared(self._env, judge, asks=policy.asks)


def _note(attempt: Attempt, policy: Policy, binding: Binding, found: list[Failure]) -> None:
    """For the audit log, all policies in one annotation."""
    notes = attempt.request.notes
    if notes is None:
        return
    about = {"policy": policy.name, "binding": binding.name, "validationActions": sorted(binding.actions)}
    told = [{"message": each.message, **about, "expressionIndex": str(each.number)} for each in found]
    notes[FAILED] = json.dumps([*json.loads(notes.get(FAILED, "[]")), *told])


def failures(policy: Policy, values: Json, limits: Limits = FULL) -> Iterator[Failure]:
    """What of a policy does not hold for one set of parameters; `values` are added to. Raises Overlong."""
    try:
        if not hold(policy.conditions, values, limits, ignores_failure=policy.ignores_failure):
            return
    except ConditionsFailed as error:
        yield Failure(str(error))
        return
    budget = limits.budget(PER_VALIDATION)
    Composed(policy.variables, values, budget)
    for number, validation in enumerate(policy.validations):
        failure = _holds(policy, validation, values, budget, limits)
        if failure is not None:
            yield failure._replace(number=number)
    for key, program in policy.annotations:
        try:
            evaluated(program, values, budget)
        except CelError as error:
            if isinstance(error, CelBudgetExceeded):
                limits.exhausted(error)
            if not policy.ignores_failure:
                yield Failure(f'failed to evaluate auditAnnotation "{key}": {error.message}')


def _holds(policy: Policy, validation: Validation, values: Json, budget: Budget, limits: Limits) -> Failure | None:
    said = validation.said
    try:
        if evaluated(validation.program, values, budget) is True:
            return None
    except CelBudgetExceeded as error:
        limits.exhausted(error)
        return None if policy.ignores_failure else Failure(NO_BUDGET)
    except CelError as error:
        text = f"expression '{said['expression']}' resulted in error: {error.message}"
        return None if policy.ignores_failure else Failure(text)
    message = _message(validation, values, budget, limits) or str(said.get("message") or "").strip()
    return Failure(message or f"failed expression: {said['expression'].strip()}", said.get("reason") or "Invalid")


def _message(validation: Validation, values: Mapping[str, Any], budget: Budget, limits: Limits) -> str:
    """By the messageExpression; one that fails, or whose text is no message, is as none."""
    if validation.message is None:
        return ""
    try:
        found = evaluated(validation.message, values, budget)
    except CelBudgetExceeded as error:
        limits.exhausted(error)
        return ""
    except CelError:
        return ""
    text = found.strip() if isinstance(found, str) else ""
    return "" if "\n" in text or len(text.encode()) > LONGEST_MESSAGE else text
