"""What every Pod worker of a node shares: handed in once, so that a worker is made of a Pod and this."""

from __future__ import annotations

import asyncio

import msgspec

from podling.client.events import EventRecorder, Reference
from podling.client.informer import Informer
from podling.client.rest import Rest
from podling.env import Env
from podling.kubelet.books import Books
from podling.kubelet.config import KubeletConfig
from podling.kubelet.downward import NodeFacts
from podling.kubelet.hostports import HostPorts
from podling.kubelet.podcertificates import PodCertificates
from podling.kubelet.references import References
from podling.kubelet.tokens import TokenCache
from podling.runtime.interface import Runtime


class Surroundings(msgspec.Struct, frozen=True):
    config: KubeletConfig
    env: Env
    runtime: Runtime
    rest: Rest
    recorder: EventRecorder
    references: References
    services: Informer
    tokens: TokenCache
    certificates: PodCertificates
    node: NodeFacts
    books: Books
    ports: HostPorts
    memory: int
    """Of the node, in bytes."""
    calls: asyncio.Semaphore
    """Bounds the runtime calls under way."""
    pulls: asyncio.Semaphore


def pod_reference(namespace: str, name: str, uid: str, field_path: str = "") -> Reference:
    return Reference("v1", "Pod", name, namespace, uid, field_path=field_path)
