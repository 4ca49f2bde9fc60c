"""Connections to ports inside one Pod, and why there is none, in upstream's words."""

from __future__ import annotations

from podling.api.errors import ApiError
from podling.api.kinds.core.pod import Pod
from podling.apiserver.streams.pipe import Pipe
from podling.apiserver.streams.target import node_of
from podling.network.dialer import Dialer


class Refused(Exception):
    """The reason is for the client's error stream."""


class PodPorts:
    """The ports of a Pod that is on a node. Raises BadRequest where it is on none."""

    def __init__(self, dialer: Dialer, pod: Pod) -> None:
        self._dialer, self._pod, self._node = dialer, pod, node_of(pod)

    async def connect(self, port: str) -> Pipe:
        """Raises Refused, also for what is no port."""
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise Refused(f'unable to parse port "{port}"')
        meta = self._pod.metadata
        asked = {"verb": "portforward", "namespace": meta.namespace, "pod": meta.name, "port": int(port)}
        try:
            return Pipe(await self._dialer.stream(self._node, asked))
        except (ApiError, OSError) as error:
            said = f"error forwarding port {port} to pod "
            # A kubelet names its sandbox in the same words.
            known = str(error).startswith(said)
            raise Refused(str(error) if known else f"{said}{meta.name}, uid {meta.uid}: {error}") from error
