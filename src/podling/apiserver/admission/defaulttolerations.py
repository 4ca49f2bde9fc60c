"""Pods tolerate an unready or unreachable node for five minutes, if they say nothing else about it."""

from __future__ import annotations

from typing import Any

from podling.apiserver.admission.attempt import Attempt

SECONDS = 300
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerations:
    name = "DefaultTolerationSeconds"
    operations = ("CREATE",)
    kinds = (("", "Pod"),)

    async def admit(self, attempt: Attempt) -> None:
        spec = attempt.obj.get("spec") or {}
        given = list(spec.get("tolerations") or ())
        for taint in TAINTS:
            if not any(_covers(each, taint) for each in given):
                given.append({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS})
        spec["tolerations"] = given


def _covers(toleration: dict[str, Any], taint: str) -> bool:
    return toleration.get("key", "") in ("", taint) and toleration.get("effect", "") in ("", "NoExecute")
