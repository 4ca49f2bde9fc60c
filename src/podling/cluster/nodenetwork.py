"""What a node process needs to enforce network policies: a name of its own before the API.

Policies go by all Pods of the cluster, and a node may read its own only; so what enforces them is somebody else there.
"""

from __future__ import annotations

from podling.client.http1 import Address
from podling.client.https import HttpsTransport, client_context
from podling.env import Env
from podling.proxy.policing import Policing

from .child import Child

POD_NETWORKS = "10.244.0.0/16"
"""Of all nodes together."""


def policing_of(child: Child, env: Env) -> Policing:
    """For the node of this process, in whose namespace it has to run. Raises OSError without its certificate."""
    node = child.node_paths
    authority = (child.paths.pki / "ca.crt").read_bytes()
    context = client_context(authority, node.network_certificate.read_bytes(), node.network_key.read_bytes())
    transport = HttpsTransport(
        Address(path=str(child.paths.api_socket)), context, user_agent="network-policies/podling"
    )
    return Policing(transport, env, child.node.internal_address, POD_NETWORKS)
