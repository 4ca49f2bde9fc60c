"""Typed views of roles and their bindings: what the authorizer and the aggregation controller read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from podling.api.kinds.meta import LabelSelector, ObjectMeta
from podling.api.kinds.view import View, field


class PolicyRule(View, frozen=True):
    """Either verbs on resources of groups, perhaps by name, or verbs on URLs outside of resources."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = field(name="nonResourceURLs", default=())


class AggregationRule(View, frozen=True):
    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class RoleView(View, frozen=True):
    """A Role or a ClusterRole."""

    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    rules: tuple[PolicyRule, ...] | None = None
    aggregation_rule: AggregationRule | None = None


class RoleRef(View, frozen=True):
    api_group: str = ""
    kind: str = ""
    name: str = ""


class Subject(View, frozen=True):
    kind: str = ""
    api_group: str = ""
    name: str = ""
    namespace: str = ""


class BindingView(View, frozen=True):
    """A RoleBinding or a ClusterRoleBinding."""

    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    role_ref: RoleRef = RoleRef()
    subjects: tuple[Subject, ...] | None = None


def written(values: Sequence[View]) -> list[dict[str, Any]]:
    """Rules or subjects as an object's JSON has them."""
    out: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(values))
    return out
