"""Services of type LoadBalancer get the addresses at which this machine reaches the nodes.

There is no cloud to ask: as with k3s, the nodes themselves are the balancer, and all such Services share their
addresses, so each port is one Service's. Who asked for it first has it; another one stays pending and is told who that
is. What somebody else wrote into the status, and Services with a class, are somebody else's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podling.api.kinds.core.service import Service
from podling.api.objects import Object
from podling.client.resources import NODES, SERVICES
from podling.reconcile.action import Plan, Remember, Tell, Update, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

OURS = "127."
"""How the addresses begin at which only this machine reaches a node."""
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
Port = tuple[str, int]


def reconcile(found: Object, view: View) -> Plan:
    service: Service = found.view
    ingress = service.status.load_balancer.ingress
    if not all(each.ip.startswith(OURS) for each in ingress):
        return
    before = [each.ip for each in ingress]
    after = _addresses(view) if _wants(found) else []
    if after and (why := _in_the_way(found, view)):
        after = []
        if view.remembered != why:
            text = f"Error syncing load balancer: failed to ensure load balancer: {why}"
            yield [Tell(reference(found), "Warning", "SyncLoadBalancerFailed", text), Remember(why)]
    if before == after:
        return
    told = []
    if after and not before:
        told = [Tell(reference(found), "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")]
    body = found.json()
    addresses = {"ingress": [{"ip": each, "ipMode": "VIP"} for each in after]} if after else {}
    body["status"] = (body.get("status") or {}) | {"loadBalancer": addresses}
    yield [*told, Update(SERVICES, found.head.namespace, found.head.name, body, "status")]
    if told:
        yield [Tell(reference(found), "Normal", "EnsuredLoadBalancer", "Ensured load balancer"), Remember(None)]


def _wants(found: Object) -> bool:
    spec = found.view.spec
    return spec.type == "LoadBalancer" and not spec.load_balancer_class and not found.head.deleting


def _addresses(view: View) -> list[str]:
    nodes = (each for each in view.of(NODES).list() if EXCLUDED not in each.head.labels and not each.head.deleting)
    return sorted({address for node in nodes for address in _external(node)}, key=lambda each: (len(each), each))


def _external(node: Object) -> Sequence[str]:
    addresses = node.view.status.addresses
    return [each.address for each in addresses if each.type == "ExternalIP" and each.address.startswith(OURS)]


def _in_the_way(found: Object, view: View) -> str:
    """Which Service has a port that this one wants; "" where all are free."""
    holders: dict[Port, Object] = {}
    others = [each for each in view.of(SERVICES).list() if each.key != found.key]
    for each in others:
        holders |= {(port.protocol or "TCP", port.node_port): each for port in each.view.spec.ports if port.node_port}
    balanced = [each for each in (*others, found) if _wants(each) and _may_be_ours(each)]
    for each in sorted(balanced, key=_turn):
        ports = [(port.protocol or "TCP", port.port) for port in each.view.spec.ports]
        taken = next((port for port in ports if port in holders and holders[port].key != each.key), None)
        if taken is None:
            holders |= dict.fromkeys(ports, each)
        if each.key == found.key and taken is not None:
            head = holders[taken].head
            return f"port {taken[1]}/{taken[0]} is in use by service {head.namespace}/{head.name}"
    return ""


def _may_be_ours(found: Object) -> bool:
    return all(each.ip.startswith(OURS) for each in found.view.status.load_balancer.ingress)


def _turn(found: Object) -> tuple[bool, str, str]:
    """Who has addresses keeps them, then who came first."""
    has = bool(found.view.status.load_balancer.ingress)
    return not has, found.view.metadata.creation_timestamp or "", found.key


def _pending(changed: Object, view: View) -> Iterable[str]:
    """Services that may have waited for a port of this one."""
    if not _is_balanced(changed):
        return
    for each in view.of(SERVICES).list():
        if _wants(each) and not each.view.status.load_balancer.ingress:
            yield each.key


def _all(_: Object, view: View) -> Iterable[str]:
    return (each.key for each in view.of(SERVICES).list() if _is_balanced(each))


def _is_balanced(found: Object) -> bool:
    return bool(found.view.spec.type == "LoadBalancer" or found.view.status.load_balancer.ingress)


def _same_service(old: Object, new: Object) -> bool:
    before, after = old.view, new.view
    if old.head.deleting != new.head.deleting or old.head.uid != new.head.uid or before.spec != after.spec:
        return False
    return bool(before.status.load_balancer == after.status.load_balancer)


def _same_addresses(old: Object, new: Object) -> bool:
    if (EXCLUDED in old.head.labels) != (EXCLUDED in new.head.labels) or old.head.deleting != new.head.deleting:
        return False
    return _external(old) == _external(new)


CONTROLLER = Controller(
    name="service-lb",
    component="service-controller",
    reconcile=reconcile,
    resource=SERVICES,
    watches=(Watch(NODES, _all, alike=_same_addresses),),
    relevant=_is_balanced,
    related=_pending,
    alike=_same_service,
)
