"""The authorizer in expressions: `authorizer.group('apps').resource('deployments').check('create').allowed()`.

Each step gives a new value with more of the question in it; only `check` asks. Whoever evaluates brings the answer as a
function, so this room stays pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, text_of, wrong
from podling.api.cel.values import Value

CHECK_COST: Final = 350_000


@dataclass(frozen=True, slots=True)
class Decision(Value):
    """`error` is what asking failed with, empty when it did not."""

    allowed: bool
    reason: str = ""
    error: str = ""
    type_name = "kubernetes.authorization.Decision"


@dataclass(frozen=True, slots=True)
class Check(Value):
    """What is asked. `path` is set for what is no resource, and then the other fields are not."""

    decide: Callable[[Check], Decision]
    path: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    verb: str = ""
    service_account: tuple[str, str] | None = None
    """(namespace, name) of the account that is asked about, None for the user of the request."""
    field_selector: str = ""
    label_selector: str = ""

    type_name = "kubernetes.authorization.ResourceCheck"


@dataclass(frozen=True, slots=True)
class Authorizer(Value):
    """`decide(check)` answers a question about the user of the request, or about its service account."""

    decide: Callable[[Check], Decision]
    account: tuple[str, str] | None = None
    type_name = "kubernetes.authorization.Authorizer"

    def resource_check(self, group: str, resource: str, subresource: str, namespace: str, name: str) -> Check:
        """The value of `authorizer.requestResource`."""
        return Check(
            self.decide, group=group, resource=resource, subresource=subresource, namespace=namespace, name=name
        )


def _authorizer(value: Any) -> Authorizer:
    if isinstance(value, Authorizer):
        return value
    raise wrong()


def _check(value: Any) -> Check:
    if isinstance(value, Check):
        return value
    raise wrong()


def _decision(value: Any) -> Decision:
    if isinstance(value, Decision):
        return value
    raise wrong()


def _path(value: Any, path: Any) -> Check:
    asked = _authorizer(value)
    if not text_of(path):
        raise CelEvaluationError("path must not be empty")
    return Check(asked.decide, path=path, service_account=asked.account)


def _group(value: Any, group: Any) -> Check:
    asked = _authorizer(value)
    return Check(asked.decide, group=text_of(group), service_account=asked.account)


def _account(value: Any, namespace: Any, name: Any) -> Authorizer:
    return Authorizer(_authorizer(value).decide, (text_of(namespace), text_of(name)))


def _with(key: str) -> Callable[[Any, Any], Check]:
    def run(value: Any, said: Any) -> Check:
        more: dict[str, Any] = {key: text_of(said)}
        return replace(_check(value), **more)

    return run


def _asked(value: Any, verb: Any) -> Decision:
    check = replace(_check(value), verb=text_of(verb))
    return check.decide(check)


_A: Final = "kubernetes.authorization."
_RESOURCE: Final = f"{_A}ResourceCheck.(string) -> {_A}ResourceCheck"

FUNCTIONS: Final = (
    Function("path", _path, (f"{_A}Authorizer.(string) -> {_A}PathCheck",)),
    Function("group", _group, (f"{_A}Authorizer.(string) -> {_A}GroupCheck",)),
    Function("serviceAccount", _account, (f"{_A}Authorizer.(string, string) -> {_A}Authorizer",)),
    Function("resource", _with("resource"), (f"{_A}GroupCheck.(string) -> {_A}ResourceCheck",)),
    Function("subresource", _with("subresource"), (_RESOURCE,)),
    Function("namespace", _with("namespace"), (_RESOURCE,)),
    Function("name", _with("name"), (_RESOURCE,)),
    Function("fieldSelector", _with("field_selector"), (_RESOURCE,)),
    Function("labelSelector", _with("label_selector"), (_RESOURCE,)),
    Function(
        "check",
        _asked,
        (f"{_A}ResourceCheck.(string) -> {_A}Decision", f"{_A}PathCheck.(string) -> {_A}Decision"),
        lambda value, verb: CHECK_COST,
    ),
    Function("allowed", lambda value: _decision(value).allowed, (f"{_A}Decision.() -> bool",)),
    Function("reason", lambda value: _decision(value).reason, (f"{_A}Decision.() -> string",)),
    Function("errored", lambda value: bool(_decision(value).error), (f"{_A}Decision.() -> bool",)),
    Function("error", lambda value: _decision(value).error, (f"{_A}Decision.() -> string",)),
)
