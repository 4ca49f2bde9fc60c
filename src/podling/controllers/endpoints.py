"""Endpoints: the same as EndpointSlices in the older shape, for those who still read it.

Addresses that share their ports stand together in one subset, sorted. Terminating Pods are left out unless the Service
publishes unready addresses; at most 1,000 addresses are told, and an annotation says when some are missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.kinds.core.service import Service
from podling.api.objects import Object
from podling.client.resources import ENDPOINTS, PODS, SERVICES
from podling.reconcile.action import Create, Delete, Plan, Update
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

MANAGED_BY, MANAGER = "endpoints.kubernetes.io/managed-by", "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LIMIT = 1000

Json = dict[str, Any]


def reconcile(found: Object, view: View) -> Plan:
    service: Service = found.view
    if found.head.deleting or not publishes(service):
        return
    told = [each for each in backends(found, view) if service.spec.publish_not_ready_addresses or not each.terminating]
    told.sort(key=lambda each: not each.ready)
    subsets = _subsets(found, told[:LIMIT])
    labels = dict(found.head.labels) | {MANAGED_BY: MANAGER}
    labels.pop(HEADLESS, None)
    labels |= {HEADLESS: ""} if is_headless(service) else {}
    metadata: Json = {"name": found.head.name, "namespace": found.head.namespace, "labels": labels}
    if len(told) > LIMIT:
        metadata["annotations"] = {OVER_CAPACITY: "truncated"}
    known = view.of(ENDPOINTS).get(found.head.namespace, found.head.name)
    if known is None:
        fresh = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets}
        yield [Create(ENDPOINTS, found.head.namespace, fresh)]
        return
    body = known.json()
    annotations = dict(body["metadata"].get("annotations") or {})
    annotations.pop(OVER_CAPACITY, None)
    annotations |= metadata.get("annotations", {})
    before = (body.get("subsets") or [], body["metadata"].get("labels"), body["metadata"].get("annotations") or {})
    if before == (subsets, labels, annotations):
        return
    body["metadata"] |= {"labels": labels, "annotations": annotations}
    yield [Update(ENDPOINTS, found.head.namespace, found.head.name, body | {"subsets": subsets})]


def vanished(key: str, view: View) -> Plan:
    """The Service is gone, and with it its Endpoints."""
    _, _, namespace, name = key.split("/")
    known = view.of(ENDPOINTS).get(namespace, name)
    if known is not None and not known.head.deleting:
        yield [Delete(ENDPOINTS, namespace, name, known.head.uid)]


def _subsets(found: Object, told: Iterable[Backend]) -> list[Json]:
    groups: dict[tuple[Port, ...], list[Backend]] = {}
    for backend in told:
        groups.setdefault(backend.ports, []).append(backend)
    out: list[Json] = []
    for ports in sorted(groups):
        if not ports and not is_headless(found.view):
            continue
        members = sorted(groups[ports], key=lambda each: (_number(each.address), each.pod.head.uid))
        addresses = {
            "addresses": [_address(found, each) for each in members if each.ready],
            "notReadyAddresses": [_address(found, each) for each in members if not each.ready],
            "ports": [_port(port) for port in ports],
        }
        out.append({name: value for name, value in addresses.items() if value})
    return out


def _address(found: Object, backend: Backend) -> Json:
    spec = backend.pod.view.spec
    out: Json = {"ip": backend.address}
    if backend.hostname and spec.subdomain == found.head.name:
        out["hostname"] = backend.hostname
    if spec.node_name:
        out["nodeName"] = spec.node_name
    return out | {"targetRef": target(backend.pod)}


def _port(port: Port) -> Json:
    out = port.to_json()
    return out if port.name else {key: value for key, value in out.items() if key != "name"}


def _number(address: str) -> tuple[int, ...]:
    return tuple(int(part) for part in address.split(".") if part.isdigit())


def _of_endpoints(found: Object, _: View) -> Iterable[str]:
    """Only our own: Endpoints that somebody makes before his Service must not be taken for leftovers."""
    if found.head.labels.get(MANAGED_BY) == MANAGER:
        yield service_key(found.head.namespace, found.head.name)


CONTROLLER = Controller(
    name="endpoints",
    component="endpoint-controller",
    reconcile=reconcile,
    resource=SERVICES,
    watches=(Watch(PODS, concerned), Watch(ENDPOINTS, _of_endpoints)),
    vanished=vanished,
)
