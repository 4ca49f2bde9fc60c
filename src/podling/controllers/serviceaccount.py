"""ServiceAccount: every namespace has an account named `default`, and gets it back when somebody deletes it."""

from __future__ import annotations

from collections.abc import Iterable

from podling.api.objects import Object, key_of
from podling.client.resources import NAMESPACES, SERVICEACCOUNTS
from podling.reconcile.action import Create, Plan
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

NAME = "default"


def reconcile(found: Object, view: View) -> Plan:
    namespace = found.head.name
    if found.head.deleting or view.of(SERVICEACCOUNTS).get(namespace, NAME) is not None:
        return
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace}}
    yield [Create(SERVICEACCOUNTS, namespace, body)]


def _namespace(account: Object, _: View) -> Iterable[str]:
    if account.head.name == NAME:
        yield key_of(NAMESPACES.group, NAMESPACES.plural, "", account.head.namespace)


CONTROLLER = Controller(
    name="serviceaccount",
    component="service-account-controller",
    reconcile=reconcile,
    resource=NAMESPACES,
    watches=(Watch(SERVICEACCOUNTS, _namespace),),
)
