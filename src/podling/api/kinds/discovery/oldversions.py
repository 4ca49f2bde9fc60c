"""EndpointSlice as discovery.k8s.io/v1beta1 wrote it, until 1.25: the zone was one entry of a map `topology`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import replaced, with_spec

HUB: Final = "discovery.k8s.io/v1"
ZONE: Final = "topology.kubernetes.io/zone"


def slices(default: Callable[[Json], None]) -> Conversion:
    """`default` are those of v1."""
    return with_spec("discovery.k8s.io", "v1beta1", default, HUB, _to_hub, _from_hub)


def _to_hub(obj: Json) -> Json:
    return obj | {"endpoints": [_newer(each) for each in obj["endpoints"]]} if obj.get("endpoints") else obj


def _from_hub(obj: Json) -> Json:
    return obj | {"endpoints": [_older(each) for each in obj["endpoints"]]} if obj.get("endpoints") else obj


def _newer(endpoint: Json) -> Json:
    topology = endpoint.get("topology")
    if topology is None:
        return endpoint
    rest = {key: value for key, value in topology.items() if key != ZONE}
    out = replaced(endpoint, topology=None)
    if rest or ZONE not in topology:
        out["deprecatedTopology"] = rest
    return out | ({"zone": topology[ZONE]} if ZONE in topology else {})


def _older(endpoint: Json) -> Json:
    topology, zone = endpoint.get("deprecatedTopology"), endpoint.get("zone")
    out = replaced(endpoint, deprecatedTopology=None, zone=None)
    if topology is None and zone is None:
        return out
    return out | {"topology": {**(topology or {}), **({} if zone is None else {ZONE: zone})}}
