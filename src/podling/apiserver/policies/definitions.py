"""The policies in force with their bindings, made ready once a change; without any, a write asks one attribute.

A policy without a binding does nothing and is not among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from podling.api.cel import CelSyntaxError
from podling.api.kinds.admissionregistration.mutationtext import as_maps
from podling.api.labels import BadSelector
from podling.api.objects import Event, Object, prefix_of
from podling.apiserver.policies.compiling import Compiled, Compilers
from podling.apiserver.policies.conditions import Condition, conditions_of
from podling.apiserver.webhooks.matching import GROUP, Criteria
from podling.env import Env
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]


class Binding(NamedTuple):
    name: str
    criteria: Criteria | None
    """None: everything its policy is about."""
    param_ref: Mapping[str, Any] | None
    actions: Sequence[str]


class Validation(NamedTuple):
    said: Mapping[str, Any]
    program: Compiled
    message: Compiled | None


class Mutation(NamedTuple):
    kind: str
    """ApplyConfiguration or JSONPatch."""
    expression: str
    program: Compiled


class Policy:
    """One policy of either kind; its expressions are compiled when it first matches."""

    def __init__(self, said: Json, bindings: Sequence[Binding], compilers: Compilers) -> None:
        """Raises BadSelector."""
        self.name: str = said["metadata"]["name"]
        self.bindings = bindings
        self._spec: Json = said.get("spec") or {}
        self._compilers = compilers
        self._prepared = False
        self.criteria = Criteria.of(self._spec.get("matchConstraints") or {})
        self.param_kind: Mapping[str, str] | None = self._spec.get("paramKind")
        self.ignores_failure = self._spec.get("failurePolicy") == "Ignore"
        self.asks = "authorizer" in str(self._spec)
        """Whether an expression may ask the authorizer."""
        self.reinvoked = self._spec.get("reinvocationPolicy") == "IfNeeded"

    async def ready(self, env: Env) -> None:
        """Until its expressions are compiled; the first time beside the loop, for that takes a while."""
        if not self._prepared:
            await env.in_thread(self._prepare)

    def _prepare(self) -> None:
        _ = self.conditions, self.variables, self.validations, self.mutations, self.annotations
        self._prepared = True

    @cached_property
    def conditions(self) -> Sequence[Condition]:
        said = self._spec.get("matchConditions") or ()
        return conditions_of(said, self._compilers, params=self.param_kind is not None)

    @cached_property
    def variables(self) -> Mapping[str, Compiled]:
        return {each["name"]: self._rewritten(each["expression"]) for each in self._spec.get("variables") or ()}

    @cached_property
    def validations(self) -> Sequence[Validation]:
        return tuple(self._validations())

    @cached_property
    def mutations(self) -> Sequence[Mutation]:
        return tuple(self._mutations())

    @cached_property
    def annotations(self) -> Sequence[tuple[str, Compiled]]:
        said = self._spec.get("auditAnnotations") or ()
        return tuple((each["key"], self._compiled(each["valueExpression"])) for each in said)

    def _validations(self) -> Iterator[Validation]:
        for each in self._spec.get("validations") or ():
            shown = each.get("messageExpression")
            message = self._compiled(shown, authorizer=False) if shown else None
            yield Validation(each, self._compiled(each["expression"]), message)

    def _mutations(self) -> Iterator[Mutation]:
        for each in self._spec.get("mutations") or ():
            body = each.get("jsonPatch") or each.get("applyConfiguration") or {}
            text = body.get("expression", "")
            yield Mutation(each.get("patchType", ""), text, self._rewritten(text))

    def _rewritten(self, expression: str) -> Compiled:
        try:
            return self._compiled(as_maps(expression))
        except CelSyntaxError as error:
            return error

    def _compiled(self, expression: str, *, authorizer: bool = True) -> Compiled:
        params = self.param_kind is not None
        return self._compilers.compile(expression, params=params, authorizer=authorizer, variables=True)


class Policies:
    """`bound` in the order of their names."""

    def __init__(self, cache: WatchCache, compilers: Compilers, plural: str, binding_plural: str) -> None:
        self._cache, self._compilers = cache, compilers
        self._policies, self._bindings = prefix_of(GROUP, plural), prefix_of(GROUP, binding_plural)
        self.bound: tuple[Policy, ...] = ()
        for prefix in (self._policies, self._bindings):
            cache.follow(prefix, self._changed)
        self._load()

    def _changed(self, _: Event) -> None:
        self._load()

    def _load(self) -> None:
        bindings: dict[str, list[Binding]] = {}
        for obj in self._cache.list(self._bindings):
            said = obj.json().get("spec") or {}
            if (made := _binding(obj.head.name, said)) is not None:
                bindings.setdefault(said.get("policyName", ""), []).append(made)
        policies = [obj for obj in self._cache.list(self._policies) if obj.head.name in bindings]
        found = [self._policy(obj, bindings[obj.head.name]) for obj in policies]
        self.bound = tuple(each for each in found if each is not None)

    def _policy(self, obj: Object, bindings: Sequence[Binding]) -> Policy | None:
        try:
            return Policy(obj.json(), bindings, self._compilers)
        except BadSelector:  # validation lets none through
            return None


def _binding(name: str, said: Json) -> Binding | None:
    resources = said.get("matchResources")
    try:
        criteria = Criteria.of(resources, everything=True) if resources is not None else None
    except BadSelector:
        return None
    return Binding(name, criteria, said.get("paramRef"), tuple(said.get("validationActions") or ()))
