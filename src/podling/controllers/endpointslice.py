"""EndpointSlice: the addresses behind every Service that has a selector, in slices of at most 100.

An endpoint stays in the slice it is in, so that a change of one Pod is a change of one slice; a Service without any
endpoint keeps one empty slice, by which everybody knows that somebody looked. Pods that are being deleted stay as
terminating ones until they are gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.kinds.core.service import Service
from podling.api.objects import Object
from podling.client.resources import ENDPOINTSLICES, NODES, PODS, SERVICES
from podling.reconcile import claiming
from podling.reconcile.action import Action, Create, Delete, Plan, Update
from podling.reconcile.backends import (
    HEADLESS,
    Backend,
    Port,
    backends,
    concerned,
    is_headless,
    publishes,
    service_key,
    target,
)
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"
SAME_NODE = "PreferSameNode"
NEAR = ("PreferClose", "PreferSameZone", SAME_NODE)
LIMIT = 100

Json = dict[str, Any]
Slice = tuple[list[Json], list[Json]]
"""Endpoints and ports."""


def reconcile(found: Object, view: View) -> Plan:
    """One group: every slice that has to be made, changed or deleted."""
    service: Service = found.view
    if found.head.deleting or not publishes(service):
        return
    existing = sorted(_slices(found, view), key=lambda each: each.head.name)
    mine = [each for each in existing if found.head.uid in each.head.owners]
    strangers = [each for each in existing if each not in mine]
    wanted, spare, fresh = _distribute(_by_ports(found, view), mine)
    # A slice that would go is given to endpoints that need one: one write instead of two.
    while spare and fresh:
        wanted.append((spare.pop(0), fresh.pop(0)))
    if not wanted and not fresh:
        placeholder: Slice = ([], [])
        if spare:
            wanted.append((spare.pop(0), placeholder))
        else:
            fresh.append(placeholder)
    labels = _labels(found)
    actions: list[Action] = [change for each, content in wanted for change in _change(each, content, labels)]
    actions += [_creation(found, content, labels) for content in fresh]
    actions += [_deletion(each) for each in (*spare, *strangers)]
    if actions:
        yield actions


def _slices(found: Object, view: View) -> list[Object]:
    labels = {SERVICE_NAME: found.head.name, MANAGED_BY: MANAGER}
    return [each for each in view.of(ENDPOINTSLICES).selected(found.head.namespace, labels) if not each.head.deleting]


def _by_ports(found: Object, view: View) -> dict[tuple[Port, ...], dict[tuple[str, str], Json]]:
    groups: dict[tuple[Port, ...], dict[tuple[str, str], Json]] = {}
    for backend in backends(found, view):
        identity = (backend.pod.head.uid, backend.address)
        groups.setdefault(backend.ports, {})[identity] = _endpoint(found, backend, view)
    return groups


def _distribute(
    groups: dict[tuple[Port, ...], dict[tuple[str, str], Json]], existing: list[Object]
) -> tuple[list[tuple[Object, Slice]], list[Object], list[Slice]]:
    """What existing slices shall hold, slices that are left over, slices to be made."""
    wanted: list[tuple[Object, Slice]] = []
    fresh: list[Slice] = []
    spare = list(existing)
    for ports, endpoints in groups.items():
        told = [port.to_json() for port in ports]
        rest = dict(endpoints)
        of_group = [each for each in existing if _ports(each) == ports]
        contents: list[tuple[Object, list[Json]]] = []
        for each in of_group:
            known = [_identity(endpoint) for endpoint in each.json().get("endpoints") or ()]
            contents.append((each, [rest.pop(identity) for identity in known if identity in rest]))
        for _, held in contents:
            for identity in list(rest)[: LIMIT - len(held)]:
                held.append(rest.pop(identity))
        for each, held in contents:
            if held:
                wanted.append((each, (held, told)))
                spare.remove(each)
        left = list(rest.values())
        fresh += [(left[begin : begin + LIMIT], told) for begin in range(0, len(left), LIMIT)]
    return wanted, spare, fresh


def _endpoint(found: Object, backend: Backend, view: View) -> Json:
    pod = backend.pod.view
    conditions = {"ready": backend.ready, "serving": backend.serving, "terminating": backend.terminating}
    endpoint: Json = {"addresses": [backend.address], "conditions": conditions}
    if backend.hostname and pod.spec.subdomain == found.head.name:
        endpoint["hostname"] = backend.hostname
    endpoint["targetRef"] = target(backend.pod)
    if pod.spec.node_name:
        endpoint["nodeName"] = pod.spec.node_name
        node = view.of(NODES).get("", pod.spec.node_name)
        if node is not None and ZONE in node.head.labels:
            endpoint["zone"] = node.head.labels[ZONE]
    if backend.ready and (hints := _hints(found.view.spec.traffic_distribution, endpoint)):
        endpoint["hints"] = hints
    return endpoint


def _hints(distribution: str | None, endpoint: Json) -> Json:
    """For whom a ready endpoint is meant first, where the Service prefers what is near (KEP-3015)."""
    if distribution not in NEAR:
        return {}
    hints: Json = {}
    if "zone" in endpoint:
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if distribution == SAME_NODE and "nodeName" in endpoint:
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    return hints


def _ports(found: Object) -> tuple[Port, ...]:
    view = found.view
    return tuple(
        sorted(
            Port(each.name or "", each.protocol or "TCP", each.port or 0, each.app_protocol or "")
            for each in view.ports
        )
    )


def _identity(endpoint: Json) -> tuple[str, str]:
    return (endpoint.get("targetRef", {}).get("uid", ""), next(iter(endpoint.get("addresses") or ()), ""))


def _labels(found: Object) -> dict[str, str]:
    labels = dict(found.head.labels) | {SERVICE_NAME: found.head.name, MANAGED_BY: MANAGER}
    labels.pop(HEADLESS, None)
    return labels | {HEADLESS: ""} if is_headless(found.view) else labels


def _change(found: Object, content: Slice, labels: dict[str, str]) -> list[Action]:
    endpoints, ports = content
    body = found.json()
    before = (body.get("endpoints") or [], body.get("ports") or [], body["metadata"].get("labels"))
    if before == (endpoints, ports, labels):
        return []
    body["metadata"]["labels"] = labels
    body |= {"endpoints": endpoints, "ports": ports}
    return [Update(ENDPOINTSLICES, found.head.namespace, found.head.name, body)]


def _creation(found: Object, content: Slice, labels: dict[str, str]) -> Create:
    endpoints, ports = content
    metadata = {
        "generateName": f"{found.head.name}-",
        "namespace": found.head.namespace,
        "labels": labels,
        "ownerReferences": [claiming.owner_reference(found)],
    }
    families = found.view.spec.ip_families
    return Create(
        ENDPOINTSLICES,
        found.head.namespace,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": families[0] if families else "IPv4",
            "endpoints": endpoints,
            "ports": ports,
        },
    )


def _deletion(found: Object) -> Delete:
    return Delete(ENDPOINTSLICES, found.head.namespace, found.head.name, found.head.uid)


def _of_slice(found: Object, _: View) -> Iterable[str]:
    labels = found.head.labels
    if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
        yield service_key(found.head.namespace, labels[SERVICE_NAME])


CONTROLLER = Controller(
    name="endpointslice",
    component="endpoint-slice-controller",
    reconcile=reconcile,
    resource=SERVICES,
    watches=(Watch(PODS, concerned), Watch(ENDPOINTSLICES, _of_slice)),
    reads=(NODES,),
)
