"""EndpointSlice mirroring: Endpoints that somebody wrote by hand become EndpointSlices, which is what proxies read.

Only for Services without a selector; Endpoints labelled `endpointslice.kubernetes.io/skip-mirror: "true"` (those of
the Service `kubernetes`) and those that serve as an old leader-election lock are left alone. One slice per subset.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podling.api.kinds.core.endpoints import EndpointAddress, EndpointPort, EndpointSubset
from podling.api.objects import Object, key_of
from podling.client.resources import ENDPOINTS, ENDPOINTSLICES, SERVICES
from podling.reconcile import claiming
from podling.reconcile.action import Action, Create, Delete, Plan, Update
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LOCK = "control-plane.alpha.kubernetes.io/leader"
LIMIT = 1000
"""Addresses of one subset that are mirrored."""

Json = dict[str, Any]


def reconcile(found: Object, view: View) -> Plan:
    """One group: slices that are to be changed, made or deleted."""
    existing = sorted(_slices(found, view), key=lambda each: each.head.name)
    wanted = [_content(found, subset) for subset in found.view.subsets] if _is_mirrored(found, view) else []
    wanted = [each for each in wanted if each["endpoints"]]
    kept = [each for each in existing if found.head.uid in each.head.owners]
    actions: list[Action] = []
    for each, content in zip(kept, wanted, strict=False):
        actions += _change(each, content)
    actions += [_creation(found, content) for content in wanted[len(kept) :]]
    actions += [_deletion(each) for each in (*kept[len(wanted) :], *(each for each in existing if each not in kept))]
    if actions:
        yield actions


def _is_mirrored(found: Object, view: View) -> bool:
    if found.head.deleting or found.head.labels.get(SKIP) == "true" or LOCK in found.view.metadata.annotations:
        return False
    service = view.of(SERVICES).get(found.head.namespace, found.head.name)
    return service is not None and not service.view.spec.selector and service.view.spec.type != "ExternalName"


def _slices(found: Object, view: View) -> list[Object]:
    labels = {SERVICE_NAME: found.head.name, MANAGED_BY: MANAGER}
    return [each for each in view.of(ENDPOINTSLICES).selected(found.head.namespace, labels) if not each.head.deleting]


def _content(found: Object, subset: EndpointSubset) -> Json:
    addresses = [*((each, True) for each in subset.addresses), *((each, False) for each in subset.not_ready_addresses)]
    return {
        "labels": dict(found.head.labels) | {SERVICE_NAME: found.head.name, MANAGED_BY: MANAGER},
        "addressType": "IPv6" if any(":" in each.ip for each, _ in addresses) else "IPv4",
        "endpoints": [_endpoint(each, ready) for each, ready in addresses[:LIMIT]],
        "ports": [_port(each) for each in subset.ports],
    }


def _endpoint(address: EndpointAddress, ready: bool) -> Json:
    endpoint: Json = {"addresses": [address.ip], "conditions": {"ready": ready}}
    if address.hostname:
        endpoint["hostname"] = address.hostname
    if address.target_ref is not None:
        reference = address.target_ref
        named = {"kind": reference.kind, "namespace": reference.namespace, "name": reference.name, "uid": reference.uid}
        endpoint["targetRef"] = {name: value for name, value in named.items() if value}
    if address.node_name:
        endpoint["nodeName"] = address.node_name
    return endpoint


def _port(port: EndpointPort) -> Json:
    out: Json = {"name": port.name, "protocol": port.protocol or "TCP", "port": port.port}
    return out | {"appProtocol": port.app_protocol} if port.app_protocol else out


def _change(found: Object, content: Json) -> list[Action]:
    body = found.json()
    if body["addressType"] != content["addressType"]:
        # It cannot be changed; the next run makes another.
        return [_deletion(found)]
    said = {
        "labels": body["metadata"].get("labels"),
        "addressType": body["addressType"],
        "endpoints": body.get("endpoints") or [],
        "ports": body.get("ports") or [],
    }
    if said == content:
        return []
    body["metadata"]["labels"] = content["labels"]
    body |= {"endpoints": content["endpoints"], "ports": content["ports"]}
    return [Update(ENDPOINTSLICES, found.head.namespace, found.head.name, body)]


def _creation(found: Object, content: Json) -> Create:
    metadata = {
        "generateName": f"{found.head.name}-",
        "namespace": found.head.namespace,
        "labels": content["labels"],
        "ownerReferences": [claiming.owner_reference(found)],
    }
    shape = {name: content[name] for name in ("addressType", "endpoints", "ports")}
    body = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, **shape}
    return Create(ENDPOINTSLICES, found.head.namespace, body)


def _deletion(found: Object) -> Delete:
    return Delete(ENDPOINTSLICES, found.head.namespace, found.head.name, found.head.uid)


def _endpoints_of(changed: Object, _: View) -> Iterable[str]:
    return (key_of(ENDPOINTS.group, ENDPOINTS.plural, changed.head.namespace, changed.head.name),)


def _of_slice(found: Object, _: View) -> Iterable[str]:
    labels = found.head.labels
    if labels.get(MANAGED_BY) == MANAGER and SERVICE_NAME in labels:
        yield key_of(ENDPOINTS.group, ENDPOINTS.plural, found.head.namespace, labels[SERVICE_NAME])


CONTROLLER = Controller(
    name="endpointslicemirroring",
    component="endpoint-slice-mirroring-controller",
    reconcile=reconcile,
    resource=ENDPOINTS,
    watches=(Watch(SERVICES, _endpoints_of), Watch(ENDPOINTSLICES, _of_slice)),
)
