"""What of a CRD is kept and not acted on here: said in a Warning to whoever writes it, for nothing pretends.

An admission plugin, since it looks at what is written and has the request at hand.
"""

from __future__ import annotations

from typing import Any, Final

from podling.apiserver.message import Request

Json = dict[str, Any]
WEBHOOK: Final = (
    "podling: conversion webhooks are not called here yet: versions differ in apiVersion only, as with strategy None"
)


def warn(request: Request, crd: Json) -> None:
    """`crd`: a CustomResourceDefinition as it will be stored."""
    spec = crd.get("spec") or {}
    if (spec.get("conversion") or {}).get("strategy") == "Webhook":
        request.warn(WEBHOOK)
