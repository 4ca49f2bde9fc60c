"""Which requests are told of, and how much of them: the rules of an audit policy, the first that fits counts.

As audit.k8s.io/v1 Policy says it (Kubernetes documentation, "Auditing"). What no rule fits is not told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import yaml

from podling.apiserver.message import User
from podling.apiserver.routing import Target

LEVELS: Final = ("None", "Metadata", "Request", "RequestResponse")
STAGES: Final = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")
API_VERSION = "audit.k8s.io/v1"


class PolicyError(ValueError):
    """The text is no policy; says why."""


class GroupResources(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    group: str = ""
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()


class PolicyRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    level: str = ""
    users: tuple[str, ...] = ()
    user_groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(default=(), name="nonResourceURLs")
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool | None = None


class Policy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    api_version: str = ""
    kind: str = ""
    metadata: dict[str, Any] = {}
    rules: tuple[PolicyRule, ...] = ()
    omit_stages: tuple[str, ...] = ()
    omit_managed_fields: bool = False


class Telling(NamedTuple):
    """How much of a request is told, and when."""

    level: int
    """Index in LEVELS."""
    stages: frozenset[str]
    managed_fields: bool


SILENCE = Telling(0, frozenset(), False)


def parse(text: str) -> Policy:
    """YAML or JSON. Raises PolicyError."""
    try:
        policy = msgspec.convert(yaml.safe_load(text), Policy)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise PolicyError(f"failed decoding: {error}") from error
    if (policy.api_version, policy.kind) != (API_VERSION, "Policy"):
        raise PolicyError(f"unknown group version field {policy.api_version}, Kind={policy.kind} in policy")
    if not policy.rules:
        raise PolicyError("loaded illegal policy with 0 rules")
    if wrong := list(_findings(policy)):
        raise PolicyError(", ".join(wrong))
    return policy


def _findings(policy: Policy) -> Iterable[str]:
    yield from _stages("omitStages", policy.omit_stages)
    for index, rule in enumerate(policy.rules):
        path = f"rules[{index}]"
        if rule.level not in LEVELS:
            listed = ", ".join(f'"{each}"' for each in LEVELS)
            what = f'Unsupported value: "{rule.level}": supported values: {listed}' if rule.level else "Required value"
            yield f"{path}.level: {what}"
        yield from _stages(f"{path}.omitStages", rule.omit_stages)
        if rule.non_resource_urls and (rule.resources or rule.namespaces):
            yield f"{path}.nonResourceURLs: Invalid value: rules cannot apply to both regular resources and other URLs"
        for url in rule.non_resource_urls:
            if url != "*" and (not url.startswith("/") or "*" in url[:-1]):
                yield f'{path}.nonResourceURLs: Invalid value: "{url}": must begin with / and may end in *'


def _stages(path: str, given: Sequence[str]) -> Iterable[str]:
    for index, stage in enumerate(given):
        if stage not in STAGES:
            yield f'{path}[{index}]: Invalid value: "{stage}": allowed stages are {",".join(STAGES)}'


def telling(policy: Policy, user: User, verb: str, path: str, target: Target | None) -> Telling:
    """`path` is that of a request outside of resources, where there is no target."""
    for rule in policy.rules:
        if _fits(rule, user, verb, path, target):
            if rule.level == "None":
                return SILENCE
            stages = frozenset(STAGES) - {*policy.omit_stages, *rule.omit_stages}
            omitted = policy.omit_managed_fields if rule.omit_managed_fields is None else rule.omit_managed_fields
            return Telling(LEVELS.index(rule.level), stages, not omitted)
    return SILENCE


def _fits(rule: PolicyRule, user: User, verb: str, path: str, target: Target | None) -> bool:
    if rule.users and user.name not in rule.users:
        return False
    if rule.user_groups and not any(group in rule.user_groups for group in user.groups):
        return False
    if rule.verbs and verb not in rule.verbs:
        return False
    if rule.namespaces or rule.resources:
        return target is not None and _about(rule, target)
    if rule.non_resource_urls:
        return target is None and any(_matches(url, path) for url in rule.non_resource_urls)
    return True


def _about(rule: PolicyRule, target: Target) -> bool:
    if rule.namespaces and target.namespace not in rule.namespaces:
        return False
    return not rule.resources or any(_named(each, target) for each in rule.resources)


def _named(given: GroupResources, target: Target) -> bool:
    if given.group != target.group:
        return False
    if not given.resources:
        return True
    if given.resource_names and target.name not in given.resource_names:
        return False
    resource, subresource = target.plural, target.subresource
    combined = f"{resource}/{subresource}" if subresource else resource
    fitting = {"*", combined, f"{resource}/*"} | ({f"*/{subresource}"} if subresource else set())
    return any(each in fitting for each in given.resources)


def _matches(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url[:-1]))
