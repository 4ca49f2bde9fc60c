"""ServiceCIDR: a range is ready once it is protected, and goes when no Service has an address that only it covers.

(Kubernetes documentation, "Extend Service IP Ranges"; KEP-1880.) The API server gives out addresses of ranges that
are ready and not about to go; the finalizer keeps a range that is still needed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from podling.api.objects import Object, key_of
from podling.client.resources import IPADDRESSES, SERVICECIDRS
from podling.env import rfc3339
from podling.reconcile.action import Plan, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
STILL_USED = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"

Json = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def reconcile(found: Object, view: View) -> Plan:
    body = found.json()
    finalizers = body["metadata"].get("finalizers") or []
    if found.head.deleting:
        if FINALIZER not in finalizers:
            return
        if _orphans(found, view):
            yield from _told(body, "False", "Terminating", STILL_USED, view)
            return
        body["metadata"]["finalizers"] = [each for each in finalizers if each != FINALIZER]
        yield [Update(SERVICECIDRS, "", found.head.name, body)]
        return
    if FINALIZER not in finalizers:
        body["metadata"]["finalizers"] = [*finalizers, FINALIZER]
        yield [Update(SERVICECIDRS, "", found.head.name, body)]
        body["metadata"].pop("resourceVersion", None)
    if _ready(body) != "True":
        yield from _told(body, "True", "", "Kubernetes Service CIDR is ready", view)


def _orphans(found: Object, view: View) -> bool:
    """Whether an address lies in this range and in no other that stays."""
    own = _networks(found)
    others = [
        network
        for each in view.of(SERVICECIDRS).list()
        if each.head.name != found.head.name and not each.head.deleting
        for network in _networks(each)
    ]
    addresses = (ipaddress.ip_address(each.head.name) for each in view.of(IPADDRESSES).list())
    return any(_inside(address, own) and not _inside(address, others) for address in addresses)


def _inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _networks(found: Object) -> list[Network]:
    cidrs = (found.json().get("spec") or {}).get("cidrs") or ()
    return [ipaddress.ip_network(text, strict=False) for text in cidrs]


def _ready(body: Json) -> str:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return next((str(each.get("status")) for each in conditions if each.get("type") == "Ready"), "")


def _told(body: Json, status: str, reason: str, message: str, view: View) -> Plan:
    if _ready(body) == status:
        return
    condition = {"type": "Ready", "status": status, "reason": reason, "message": message}
    condition["lastTransitionTime"] = rfc3339(view.now)
    yield [
        Update(SERVICECIDRS, "", body["metadata"]["name"], {**body, "status": {"conditions": [condition]}}, "status")
    ]


def _leaving(changed: Object, view: View) -> Iterable[str]:
    """A range or an address that goes or comes may set ranges free that are waiting."""
    for each in view.of(SERVICECIDRS).list():
        if each.head.deleting:
            yield key_of(SERVICECIDRS.group, SERVICECIDRS.plural, "", each.head.name)


CONTROLLER = Controller(
    name="service-cidr-controller",
    component="service-cidrs-controller",
    reconcile=reconcile,
    resource=SERVICECIDRS,
    watches=(Watch(IPADDRESSES, _leaving),),
    related=_leaving,
)
