"""Words to write rules in a line: names in a string, separated by spaces; `core` is the group without a name."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from podling.api.kinds.rbac.views import PolicyRule, Subject

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
ALL_VERBS = "create delete deletecollection get list patch update watch"
GROUP = "rbac.authorization.k8s.io"


class Role(msgspec.Struct, frozen=True):
    """A ClusterRole, or with a namespace a Role. `gathers` are labels of the roles it is made of."""

    name: str
    rules: tuple[PolicyRule, ...] = ()
    labels: tuple[str, ...] = ()
    gathers: tuple[str, ...] = ()
    namespace: str = ""


class Binding(msgspec.Struct, frozen=True):
    """Gives the role of the same kind of scope to subjects."""

    name: str
    role: str
    subjects: tuple[Subject, ...] = ()
    namespace: str = ""


def rule(verbs: str, groups: str, resources: str, names: str = "") -> PolicyRule:
    return PolicyRule(
        tuple(verbs.split()),
        tuple("" if group == "core" else group for group in groups.split()),
        tuple(resources.split()),
        tuple(names.split()),
    )


def urls(paths: str) -> PolicyRule:
    return PolicyRule(("get",), non_resource_urls=tuple(paths.split()))


def user(name: str) -> Subject:
    return Subject("User", GROUP, name)


def group(name: str) -> Subject:
    return Subject("Group", GROUP, name)


def account(name: str, namespace: str = "kube-system") -> Subject:
    return Subject("ServiceAccount", "", name, namespace)


def distinct(rules: Iterable[PolicyRule]) -> tuple[PolicyRule, ...]:
    return tuple(dict.fromkeys(rules))


EVENTS = rule("create patch update", "core events.k8s.io", "events")
TOKEN_REVIEWS = rule("create", "authentication.k8s.io", "tokenreviews")
ACCESS_REVIEWS = rule("create", "authorization.k8s.io", "subjectaccessreviews")
