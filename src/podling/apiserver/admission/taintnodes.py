"""A new node is tainted as not ready until the node lifecycle controller finds otherwise.

Otherwise Pods could be bound to it between its registration and its first condition.
"""

from __future__ import annotations

from podling.apiserver.admission.attempt import Attempt

TAINT = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNewNodes:
    name = "TaintNodesByCondition"
    operations = ("CREATE",)
    kinds = (("", "Node"),)

    async def admit(self, attempt: Attempt) -> None:
        spec = attempt.obj.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(each.get("key") == TAINT["key"] and each.get("effect") == TAINT["effect"] for each in taints):
            spec["taints"] = [*taints, dict(TAINT)]
