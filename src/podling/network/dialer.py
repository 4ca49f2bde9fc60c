"""The seam between the server and its nodes (DESIGN 14).

Pod and Service addresses exist only inside a node's network namespace, and the server lives outside without any
privilege. Whatever needs to get in (proxy subresources, exec, attach, logs, port-forward, webhooks by Service) asks
the node process, which opens the connection inside and passes the descriptor over a Unix socket: no relay.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, Protocol


class Dialer(Protocol):
    async def connect(self, node: str, address: str, port: int) -> socket.socket:
        """A TCP connection made inside `node`; non-blocking. Raises api.errors.ApiError or OSError with the reason."""

    async def stream(self, node: str, request: Mapping[str, Any]) -> socket.socket:
        """Ask the node's kubelet for a stream and get its descriptor (non-blocking).

        `request["verb"]` is one of
        - exec: namespace, pod, container, command (list), stdin, stdout, stderr, tty → session frames
        - attach: namespace, pod, container, stdin, stdout, stderr, tty → session frames
        - portforward: namespace, pod, port → raw bytes
        - logs: namespace, pod, container, and the fields of PodLogOptions → raw bytes until end of file
        - stats: → one JSON document until end of file
        Raises api.errors.ApiError (the node's answer) or ServiceUnavailable where the node cannot be reached.
        """
