"""Cluster roles made of others: admin, edit and view, and any ClusterRole with an aggregationRule.

Their rules are those of all roles that one of their selectors matches, in order of names, each once; what anybody
writes there by hand is replaced (Kubernetes documentation, "Using RBAC", aggregated ClusterRoles).
"""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.kinds.rbac.views import PolicyRule, RoleView, written
from podling.api.objects import Object
from podling.client.resources import CLUSTERROLES
from podling.reconcile.action import Patch, Plan
from podling.reconcile.controller import Controller
from podling.reconcile.selectors import matches
from podling.reconcile.view import View


def reconcile(found: Object, view: View) -> Plan:
    if _aggregated(found) and not found.head.deleting:
        wanted = _gathered(found, view)
        if wanted != (found.view.rules or ()):
            body = {"metadata": {"uid": found.head.uid}, "rules": written(wanted)}
            yield [Patch(CLUSTERROLES, "", found.head.name, body)]


def _gathered(found: Object, view: View) -> tuple[PolicyRule, ...]:
    selectors = found.view.aggregation_rule.cluster_role_selectors
    others = sorted(view.of(CLUSTERROLES).list(), key=lambda each: each.head.name)
    rules = [
        rule
        for other in others
        if other.key != found.key and any(matches(selector, other.head.labels) for selector in selectors)
        for rule in other.view.rules or ()
    ]
    return tuple(dict.fromkeys(rules))


def _aggregated(found: Object) -> bool:
    view: RoleView = found.view
    return view.aggregation_rule is not None


def _gatherers(_: Object, view: View) -> Iterable[str]:
    """A change of any role concerns all that gather, for it may have lost the labels they look for."""
    return (each.key for each in view.of(CLUSTERROLES).list() if _aggregated(each))


CONTROLLER = Controller(
    name="clusterrole-aggregation",
    component="clusterrole-aggregation-controller",
    reconcile=reconcile,
    resource=CLUSTERROLES,
    relevant=_aggregated,
    related=_gatherers,
)
