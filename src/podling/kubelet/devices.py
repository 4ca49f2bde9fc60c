"""Devices of ResourceClaims: what a node without drivers says of Pods that have some.

A driver prepares what was allocated before containers may start. None comes along here, so such a Pod waits on a real
node, as it would wait on any node where its driver is not installed; on simulated ones there is nothing to prepare.
"""

from __future__ import annotations

from podling.api.kinds.core.pod import Pod

REASON = "FailedPrepareDynamicResources"


def unprepared(pod: Pod) -> str:
    """Why the Pod's containers cannot start; "" where it has no claims."""
    made = {each.name: each.resource_claim_name for each in pod.status.resource_claim_statuses}
    wished = (each.resource_claim_name or made.get(each.name) for each in pod.spec.resource_claims)
    names = [name for name in wished if name]
    if not names:
        return ""
    claims = ", ".join(f"{pod.metadata.namespace}/{name}" for name in names)
    return f"Failed to prepare dynamic resources: claim {claims}: no DRA driver is registered on this node"
