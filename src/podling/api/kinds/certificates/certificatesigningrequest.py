"""CertificateSigningRequest.

A wish for a certificate, to be approved, then signed.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, NONE, at, column, human_duration, value
from podling.api.kinds.certificates import oldversions
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


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = [] if spec.get("usages") else [causes.required("spec.usages")]
    if not spec.get("request"):
        found.append(
            causes.invalid("spec.request", spec.get("request", ""), "PEM block type must be CERTIFICATE REQUEST")
        )
    signer = spec.get("signerName", "")
    if not signer:
        found.append(causes.required("spec.signerName"))
    elif "/" not in signer:
        text = 'must be a fully qualified domain and path of the form "example.com/signer-name"'
        found.append(causes.invalid("spec.signerName", signer, text))
    seconds_asked = spec.get("expirationSeconds")
    if seconds_asked is not None and seconds_asked < 600:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(causes.invalid("spec.expirationSeconds", seconds_asked, text))
    return found


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec", new.get("spec"), old.get("spec"))


KIND = Kind(
    "certificates.k8s.io",
    "v1",
    "CertificateSigningRequest",
    validate=validate,
    validate_update=validate_update,
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
    conversions=(oldversions.requests(),),
    needs_controller=True,
)
