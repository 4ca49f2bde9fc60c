"""CertificateSigningRequest.

A wish for a certificate, to be approved, then signed. What was wished never changes; who approves touches conditions
only, who signs the rest of the status (Kubernetes documentation, "Certificate Signing Requests").
"""

from __future__ import annotations

from typing import Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, NONE, at, column, human_duration, value
from podling.api.kinds.certificates import oldversions
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field

USAGES: Final = (
    "signing",
    "digital signature",
    "content commitment",
    "key encipherment",
    "key agreement",
    "data encipherment",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
    "any",
    "server auth",
    "client auth",
    "code signing",
    "email protection",
    "s/mime",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "timestamping",
    "ocsp signing",
    "microsoft sgc",
    "netscape sgc",
)
DECISIONS: Final = ("Approved", "Denied")
KNOWN: Final = (*DECISIONS, "Failed")


class CertificateSigningRequestCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_update_time: str | None = None
    last_transition_time: str | None = None


class CertificateSigningRequestSpec(View, frozen=True):
    request: str = ""
    signer_name: str = ""
    expiration_seconds: int | None = None
    usages: tuple[str, ...] = ()
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)


class CertificateSigningRequestStatus(View, frozen=True):
    conditions: tuple[CertificateSigningRequestCondition, ...] = ()
    certificate: str = ""


class CertificateSigningRequest(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: CertificateSigningRequestSpec = CertificateSigningRequestSpec()
    status: CertificateSigningRequestStatus = CertificateSigningRequestStatus()


def condition(obj: Json, now: float) -> str:
    """`Pending`, or `Approved,Issued`, `Denied`, `Approved,Failed`."""
    types = [c.get("type") for c in at(obj, "status.conditions") or ()]
    shown = next((kind for kind in ("Denied", "Approved") if kind in types), "Pending")
    shown += ",Failed" if "Failed" in types else ""
    return shown + (",Issued" if at(obj, "status.certificate") else "")


def requested_duration(obj: Json, now: float) -> str:
    found = at(obj, "spec.expirationSeconds")
    return NONE if found is None else human_duration(found)


def on_update(new: Json, old: Json) -> None:
    new["spec"] = old.get("spec") or {}


def through_approval(new: Json, old: Json) -> None:
    """Conditions only; that signing failed is not the approver's to say."""
    conditions = _preserved(new, old, ("Failed",))
    on_update(new, old)
    new["status"] = {name: value for name, value in (old.get("status") or {}).items() if name != "conditions"}
    if conditions:
        new["status"]["conditions"] = conditions


def through_status(new: Json, old: Json) -> None:
    """All but the decision."""
    if conditions := _preserved(new, old, DECISIONS):
        new["status"]["conditions"] = conditions


def _preserved(new: Json, old: Json, types: tuple[str, ...]) -> list[Json]:
    """The new conditions, but those of `types` as they were; one too many or too few is validation's to find."""
    before = {each.get("type"): each for each in at(old, "status.conditions") or () if each.get("type") in types}
    return [before.get(each.get("type"), each) for each in at(new, "status.conditions") or ()]


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = (
        []
        if spec.get("request")
        else [causes.invalid("spec.request", "", "PEM block type must be CERTIFICATE REQUEST")]
    )
    found += _usages(spec.get("usages") or [])
    found += signer_name("spec.signerName", spec.get("signerName", ""))
    seconds_asked = spec.get("expirationSeconds")
    if seconds_asked is not None and seconds_asked < 600:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(causes.invalid("spec.expirationSeconds", seconds_asked, text))
    return found + _conditions(at(obj, "status.conditions") or [])


def _usages(given: list[str]) -> list[Cause]:
    if not given:
        return [causes.required("spec.usages")]
    found: list[Cause] = []
    for index, usage in enumerate(given):
        found += rules.one_of(f"spec.usages[{index}]", usage, sorted(USAGES))
        if usage in given[:index]:
            found.append(causes.duplicate(f"spec.usages[{index}]", usage))
    return found


def signer_name(path: str, signer: str) -> list[Cause]:
    """`example.com/signer-name`: a domain of two labels at least, one slash, a path."""
    if not signer:
        return [causes.required(path)]
    domain, slash, rest = signer.partition("/")
    if not slash or not rest or "/" in rest:
        text = 'must be a fully qualified domain and path of the form "example.com/signer-name"'
        return [causes.invalid(path, signer, text)]
    found: list[Cause] = []
    labels = domain.split(".")
    if len(labels) < 2:
        found.append(causes.invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    for part in (*labels, *rest.split(".")):
        whole = domain if part in labels else rest
        found += [causes.invalid(path, whole, f'validating label "{part}": {text}') for text in names.dns_label(part)]
    return found


def _conditions(given: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    seen: list[str] = []
    for index, each in enumerate(given):
        path, type_ = f"status.conditions[{index}]", each.get("type", "")
        if not type_:
            found.append(causes.required(f"{path}.type"))
        if type_ in KNOWN:
            found += rules.required_one_of(f"{path}.status", each.get("status", ""), ("True",))
        else:
            found += rules.required_one_of(f"{path}.status", each.get("status", ""), ("False", "True", "Unknown"))
        if type_ in DECISIONS and any(other in seen for other in DECISIONS if other != type_):
            text = "Approved and Denied conditions are mutually exclusive"
            found.append(causes.invalid(f"{path}.type", type_, text))
        if type_ in seen:
            found.append(causes.duplicate(f"{path}.type", type_))
        seen.append(type_)
    return found


def approval_update(new: Json, old: Json) -> list[Cause]:
    return [*_conditions(at(new, "status.conditions") or []), *_changes(new, old, DECISIONS)]


def status_update(new: Json, old: Json) -> list[Cause]:
    found = [*_conditions(at(new, "status.conditions") or []), *_changes(new, old, ("Failed",))]
    before = at(old, "status.certificate")
    if before and at(new, "status.certificate") != before:
        found.append(causes.forbidden("status.certificate", "updates may not modify existing certificate content"))
    return found


def _changes(new: Json, old: Json, may_add: tuple[str, ...]) -> list[Cause]:
    """A decision is for ever."""
    found: list[Cause] = []
    for type_ in KNOWN:
        now, before = ([c for c in at(obj, "status.conditions") or () if c.get("type") == type_] for obj in (new, old))
        if len(before) < len(now) and type_ not in may_add:
            text = f'updates may not add a condition of type "{type_}"'
        elif len(before) > len(now):
            text = f'updates may not remove a condition of type "{type_}"'
        elif before and now != before:
            text = f'updates may not modify a condition of type "{type_}"'
        else:
            continue
        found.append(causes.forbidden("status.conditions", text))
    return found


KIND = Kind(
    "certificates.k8s.io",
    "v1",
    "CertificateSigningRequest",
    CertificateSigningRequest,
    validate=validate,
    validate_status=status_update,
    subresource_validation={"approval": approval_update},
    strategy=Strategy(
        status=True, on_update=on_update, through={"approval": through_approval, "status": through_status}
    ),
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
