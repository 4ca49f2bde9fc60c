"""CertificateSigningRequest.

A wish for a certificate, to be approved, then signed.
"""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, NONE, at, column, human_duration, value
from podling.api.kinds.kind import Json, Kind, Strategy


def condition(obj: Json, now: float) -> str:
    """`Pending`, or `Approved,Issued`, `Denied`, `Approved,Failed`."""
    types = [c.get("type") for c in at(obj, "status.conditions") or ()]
    shown = next((kind for kind in ("Denied", "Approved") if kind in types), "Pending")
    shown += ",Failed" if "Failed" in types else ""
    return shown + (",Issued" if at(obj, "status.certificate") else "")


def requested_duration(obj: Json, now: float) -> str:
    found = at(obj, "spec.expirationSeconds")
    return NONE if found is None else human_duration(found)


KIND = Kind(
    "certificates.k8s.io",
    "v1",
    "CertificateSigningRequest",
    strategy=Strategy(status=True),
    columns=(
        NAME,
        AGE,
        column("SignerName", value("spec.signerName", NONE), description="Who shall sign."),
        column("Requestor", value("spec.username"), description="Who asks."),
        column("RequestedDuration", requested_duration, description="How long it shall be valid."),
        column("Condition", condition, description="How far it is."),
    ),
    fields=lambda obj: {"spec.signerName": at(obj, "spec.signerName") or ""},
    field_names=frozenset(("spec.signerName",)),
    needs_controller=True,
)
