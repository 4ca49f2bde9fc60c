"""Whether a webhook or a policy wants to see a write: rules, namespaces, labels, and in which version.

The rules are those of `RuleWithOperations` in the API reference. With matchPolicy Equivalent a rule for any version of
a resource holds for all of them, and the object is shown in the version the rule names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from podling.api import labels
from podling.api.errors import not_found
from podling.api.labels import EVERYTHING, Selector
from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.registry.served import Resources, Served
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
GROUP = "admissionregistration.k8s.io"
SERVER = "system:apiserver"
EXEMPT = frozenset(
    {
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
    }
)
"""Nobody may be kept from mending what keeps everybody from everything."""


@dataclass(frozen=True, slots=True)
class Rule:
    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    """(resource, subresource), each may be `*`."""
    scope: str = "*"
    names: frozenset[str] = frozenset()
    """Of policies only; empty: all."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Rule:
        resources = (each.partition("/") for each in said.get("resources") or ())
        return cls(
            frozenset(said.get("operations") or ()),
            frozenset(said.get("apiGroups") or ()),
            frozenset(said.get("apiVersions") or ()),
            tuple((resource, subresource) for resource, _, subresource in resources),
            said.get("scope") or "*",
            frozenset(said.get("resourceNames") or ()),
        )

    def fits(self, attempt: Attempt, served: Served) -> bool:
        """`served`: the version that is compared."""
        entry = served.entry
        return (
            ("*" in self.operations or attempt.operation in self.operations)
            and ("*" in self.groups or entry.group in self.groups)
            and ("*" in self.versions or entry.version in self.versions)
            and any(
                resource in ("*", entry.plural) and subresource in ("*", attempt.subresource)
                for resource, subresource in self.resources
            )
            and (self.scope == "*" or (self.scope == "Namespaced") is bool(attempt.namespace))
            and (not self.names or name_of(attempt) in self.names)
        )


@dataclass(frozen=True, slots=True)
class Criteria:
    rules: tuple[Rule, ...]
    equivalent: bool = True
    namespaces: Selector = EVERYTHING
    objects: Selector = EVERYTHING
    excluded: tuple[Rule, ...] = ()
    everything: bool = False
    """Whether no rules mean all resources: in bindings of policies."""

    @classmethod
    def of(cls, said: Mapping[str, Any], *, everything: bool = False) -> Criteria:
        """Of a webhook, or of a policy's or a binding's MatchResources."""
        return cls(
            rules_of(said.get("rules") or said.get("resourceRules")),
            said.get("matchPolicy") != "Exact",
            labels.of(said.get("namespaceSelector") or {}),
            labels.of(said.get("objectSelector") or {}),
            rules_of(said.get("excludeResourceRules")),
            everything,
        )


def rules_of(said: Iterable[Mapping[str, Any]] | None) -> tuple[Rule, ...]:
    return tuple(Rule.of(each) for each in said or ())


def exempt(attempt: Attempt) -> bool:
    """Also what the server itself has to write: it could never start again once a webhook inside of the cluster, which
    needs it to run, stood in the way of what every cluster has."""
    request = attempt.request
    if request.in_process and request.user.name == SERVER:
        return True
    entry = attempt.served.entry
    return entry.group == GROUP and entry.kind in EXEMPT


def name_of(attempt: Attempt) -> str:
    """Of the object that is written; for subresources of their own kinds that of the object they belong to."""
    target = attempt.request.target
    if attempt.subresource and target is not None and target.name:
        return target.name
    return str((attempt.obj.get("metadata") or {}).get("name") or "")


class Matcher:
    def __init__(self, cache: WatchCache, resources: Resources) -> None:
        self._cache, self._resources = cache, resources

    def version(self, criteria: Criteria, attempt: Attempt) -> Served | None:
        """The version in which the object is to be shown; None where it is not to be seen at all.

        Raises NotFound where the namespace is gone.
        """
        if criteria.rules or not criteria.everything:
            served = self.ruled(criteria.rules, attempt, equivalent=criteria.equivalent)
        else:
            served = attempt.served
        if served is None or not self._selected(criteria, attempt):
            return None
        if criteria.excluded and self.ruled(criteria.excluded, attempt, equivalent=criteria.equivalent):
            return None
        return served

    def ruled(self, rules: tuple[Rule, ...], attempt: Attempt, *, equivalent: bool) -> Served | None:
        """The version by which one of the rules holds; the request's own before all others."""
        own = attempt.served
        if any(rule.fits(attempt, own) for rule in rules):
            return own
        if not equivalent:
            return None
        others = [each for each in self._resources.equivalents(own) if each is not own]
        return next((other for rule in rules for other in others if rule.fits(attempt, other)), None)

    def namespace_labels(self, attempt: Attempt) -> Mapping[str, str] | None:
        """Those of the namespace that is written or written in; None outside of namespaces."""
        entry = attempt.served.entry
        if not attempt.namespace:
            if entry.kind != "Namespace" or entry.group:
                return None
            return labels_of(attempt.obj)
        found = self._cache.get(key_of("", "namespaces", "", attempt.namespace))
        if found is None:
            raise not_found("namespaces", attempt.namespace)
        return found.head.labels

    def _selected(self, criteria: Criteria, attempt: Attempt) -> bool:
        if criteria.namespaces:
            found = self.namespace_labels(attempt)
            if found is not None and not criteria.namespaces.matches(found):
                return False
        if not criteria.objects:
            return True
        if attempt.subresource == "scale" or attempt.operation == "CONNECT":
            return False  # a Scale has no labels, neither have options
        sides = [attempt.obj] if attempt.operation == "CREATE" else [attempt.obj, attempt.old]
        return any(side is not None and criteria.objects.matches(labels_of(side)) for side in sides)


def labels_of(obj: Json) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}
