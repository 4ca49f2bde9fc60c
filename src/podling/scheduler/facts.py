"""A Pod as decisions see it: what it asks for in numbers, and what it has in common with others. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.scheduler import requests
from podling.scheduler.neighbours import Wish, wishes_of


class PodFacts(msgspec.Struct, frozen=True, gc=False):
    """Nodes are possible and good alike for Pods of equal `signature`, as far as neighbours and volumes do not
    matter."""

    key: str
    uid: str
    pod: Pod
    requests: Mapping[str, int]
    usage: Mapping[str, int]
    """The requests, with defaults for containers that ask for nothing; for scores."""
    ports: tuple[tuple[str, str, int], ...]
    signature: bytes
    wishes: tuple[Wish, ...] = ()
    claims: tuple[str, ...] = ()
    """Names of the PersistentVolumeClaims it uses, generic ephemeral ones included."""

    @property
    def priority(self) -> int:
        return self.pod.spec.priority or 0


def facts_of(key: str, pod: Pod) -> PodFacts:
    spec = pod.spec
    counted = requests.standing(pod)
    asked, ports = requests.of_pod(counted), requests.host_ports(spec)
    signature = msgspec.json.encode(
        (
            sorted(asked.items()),
            ports,
            spec.node_name,
            spec.node_selector,
            spec.affinity.node_affinity if spec.affinity is not None else None,
            spec.tolerations,
            spec.priority,
            [container.image for container in spec.containers],
        ),
        order="sorted",
    )
    usage = requests.of_pod(counted, with_defaults=True)
    claims = _claims(pod) if spec.volumes else ()
    return PodFacts(key, pod.metadata.uid, pod, asked, usage, ports, signature, wishes_of(pod), claims)


def _claims(pod: Pod) -> tuple[str, ...]:
    found = []
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            found.append(volume.persistent_volume_claim.claim_name)
        elif volume.ephemeral is not None:
            found.append(f"{pod.metadata.name}-{volume.name}")
    return tuple(found)
