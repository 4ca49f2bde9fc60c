"""MutatingAdmissionPolicy: mutations in CEL, before any webhook is asked (KEP-3962).

An ApplyConfiguration is merged as server-side apply would, without ownership; a JSONPatch is applied as it is. As with
webhooks, what changes the object makes the chain run again, and policies that said IfNeeded are applied once more.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from podling.api.cel import PER_VALIDATION, CelBudgetExceeded, CelError
from podling.api.errors import ApiError
from podling.api.patch import json_patch
from podling.api.patch.apply import merge
from podling.api.patch.structure import Plan, plan_of
from podling.api.patch.values import copied
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.policies.compiling import evaluated
from podling.apiserver.policies.conditions import ConditionsFailed, hold
from podling.apiserver.policies.definitions import Binding, Mutation, Policies, Policy
from podling.apiserver.policies.denial import Denial, denied
from podling.apiserver.policies.params import NoParams, Params
from podling.apiserver.policies.sparing import Limits, spared
from podling.apiserver.policies.values import Composed, Facts, plain
from podling.apiserver.registry.served import Served
from podling.apiserver.webhooks.content import settled, take_back
from podling.apiserver.webhooks.matching import Matcher, exempt
from podling.apiserver.webhooks.mutating import Rounds
from podling.env import Env

Json = dict[str, Any]
KEY = "mutating policies"
KIND = "MutatingAdmissionPolicy"


class Unmutated(Exception):
    """A mutation that cannot be carried out; the text says why."""


class MutatingPolicies:
    name = KIND
    subresources = True
    operations = ("CREATE", "UPDATE")

    def __init__(self, env: Env, policies: Policies, matcher: Matcher, params: Params, facts: Facts) -> None:
        self._env, self._policies, self._matcher, self._params, self._facts = env, policies, matcher, params, facts

    async def admit(self, attempt: Attempt) -> bool:
        """Whether the object was changed. Raises Invalid where a policy that has to be applied cannot be."""
        if not self._policies.bound or exempt(attempt):
            return False
        rounds: Rounds = attempt.memory.setdefault(KEY, Rounds())
        rounds.begin(attempt)
        changed = False
        for policy in self._policies.bound:
            served = self._matcher.version(policy.criteria, attempt)
            if served is None or (attempt.again and policy.name not in rounds.due):
                continue
            for binding in policy.bindings:
                applies = binding.criteria is None or self._matcher.version(binding.criteria, attempt) is not None
                if applies and await self._bound(attempt, policy, binding, served):
                    rounds.changed()
                    changed = True
            if policy.reinvoked:
                rounds.reinvocable[policy.name] = None
        rounds.end(attempt)
        return changed

    async def _bound(self, attempt: Attempt, policy: Policy, binding: Binding, served: Served) -> bool:
        before = copied(attempt.obj)
        await policy.ready(self._env)
        try:
            for param in self._params.collect(policy.param_kind, binding.param_ref, attempt.namespace):
                await self._apply(attempt, policy, param, served)
        except (NoParams, ConditionsFailed, Unmutated) as error:
            attempt.obj.clear()
            attempt.obj.update(before)
            if policy.ignores_failure:
                return False
            why = f"failed to configure binding: {error}" if isinstance(error, NoParams) else str(error)
            raise denied(attempt, Denial(policy.name, binding.name, why, "Invalid", KIND)) from None
        return bool(before != attempt.obj)

    async def _apply(self, attempt: Attempt, policy: Policy, param: Json | None, served: Served) -> None:
        """One mutation after the other; each sees what those before it made."""
        for index, mutation in enumerate(policy.mutations):
            values = {**await self._facts.values(attempt, served, mutating=True), "params": param}
            judge = partial(evaluation, policy, mutation, values, conditional=not index)
            wanted = await spared(self._env, judge, asks=policy.asks)
            if wanted is None:
                return
            try:
                changed = mutated(mutation, values["object"], wanted, served)
                await settled(partial(take_back, attempt, served, changed))
            except ApiError as error:
                raise Unmutated(error.message) from None


def evaluation(policy: Policy, mutation: Mutation, values: Json, limits: Limits, *, conditional: bool) -> Any:
    """What a mutation says, as JSON; None where the policy's conditions (asked for if `conditional`) do not hold.

    Raises Unmutated, ConditionsFailed, Overlong.
    """
    values = dict(values)
    if conditional and not hold(policy.conditions, values, limits, ignores_failure=policy.ignores_failure):
        return None
    budget = limits.budget(PER_VALIDATION)
    Composed(policy.variables, values, budget)
    try:
        return plain(evaluated(mutation.program, values, budget))
    except CelBudgetExceeded as error:
        limits.exhausted(error)
        raise Unmutated(error.message) from None
    except CelError as error:
        raise Unmutated(f"expression '{mutation.expression}' resulted in error: {error.message}") from None


def mutated(mutation: Mutation, shown: Json, wanted: Any, served: Served) -> Json:
    """The object after one mutation. Raises Unmutated."""
    obj: Json = copied(shown)
    if mutation.kind == "JSONPatch":
        return _patched(obj, wanted)
    if not isinstance(wanted, dict):
        raise Unmutated("must evaluate to Object")
    return _merged(obj, wanted, served)


def _patched(obj: Json, operations: Any) -> Json:
    try:
        out: Json = json_patch(obj, operations)
    except ApiError as error:
        why = error.message.removeprefix("the server rejected our request due to an error in our request: ")
        raise Unmutated(f"JSON Patch: {why}") from None
    return out


def _merged(obj: Json, wanted: Json, served: Served) -> Json:
    if served.type is None:
        raise Unmutated("there is no schema to apply by")
    plan = plan_of(served.type)
    if found := atomic(wanted, plan, ""):
        raise Unmutated(
            f"invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {', '.join(found)}"
        )
    out: Json = merge(obj, wanted, plan)
    return out


def atomic(wanted: Any, plan: Plan | None, path: str) -> list[str]:
    """The paths at which a configuration would replace what is owned as a whole, and so lose what it does not say."""
    if not isinstance(wanted, dict | list):
        return []
    if plan is None:
        return [path]
    if isinstance(wanted, list):
        return [found for item in wanted for found in atomic(item, plan.element, path)] if plan.element else []
    below = {name: _below(plan, name) for name in wanted}
    return [found for name, item in wanted.items() for found in atomic(item, below[name], f"{path}.{name}")]


def _below(plan: Plan, name: str) -> Plan | None:
    return plan.fields[name][1] if plan.form == "struct" and name in plan.fields else plan.element
