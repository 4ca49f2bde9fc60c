"""EndpointSlice as discovery.k8s.io/v1beta1 wrote it, until 1.25: zone and node were entries of a map `topology`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import replaced, with_spec

HUB: Final = "discovery.k8s.io/v1"
ZONE: Final = "topology.kubernetes.io/zone"
NODE: Final = "kubernetes.io/hostname"


def slices(default: Callable[[Json], None]) -> Conversion:
    """`default` are those of v1; besides, the node stands in both places where it stood."""

    def both(obj: Json) -> None:
        default(obj)
        for endpoint in obj.get("endpoints") or ():
            node = endpoint.get("nodeName") or (endpoint.get("topology") or {}).get(NODE)
            if node:
                endpoint["nodeName"] = node
                endpoint["topology"] = {**(endpoint.get("topology") or {}), NODE: node}

    return with_spec("discovery.k8s.io", "v1beta1", both, HUB, _to_hub, _from_hub)


def _to_hub(obj: Json) -> Json:
    return obj | {"endpoints": [_newer(each) for each in obj["endpoints"]]} if obj.get("endpoints") else obj


def _from_hub(obj: Json) -> Json:
    return obj | {"endpoints": [_older(each) for each in obj["endpoints"]]} if obj.get("endpoints") else obj


def _newer(endpoint: Json) -> Json:
    topology = endpoint.get("topology")
    if topology is None:
        return endpoint
    rest = {key: value for key, value in topology.items() if key not in (ZONE, NODE)}
    out = replaced(endpoint, topology=None)
    if rest:
        out["deprecatedTopology"] = rest
    return out | ({"zone": topology[ZONE]} if ZONE in topology else {})


def _older(endpoint: Json) -> Json:
    topology = dict(endpoint.get("deprecatedTopology") or {})
    for key, field in ((ZONE, "zone"), (NODE, "nodeName")):
        if endpoint.get(field) is not None:
            topology[key] = endpoint[field]
    out = replaced(endpoint, deprecatedTopology=None, zone=None)
    return out | {"topology": topology} if topology else out
