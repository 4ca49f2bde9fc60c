"""PodCertificateRequest.

A kubelet's wish for a certificate for one of its Pods, answered once by the signer it names: issued, denied or failed
(KEP-4317). What was wished never changes, and neither does the answer. Whether request and certificate fit together
is for admission to say, which can read them.
"""

from __future__ import annotations

from typing import Final

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import at
from podling.api.kinds.certificates.asking import (
    LONGEST,
    LONGEST_KUBERNETES,
    SHORTEST,
    of_kubernetes,
    user_annotations,
)
from podling.api.kinds.certificates.certificatesigningrequest import signer_name
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import Condition, ObjectMeta
from podling.api.kinds.view import View, field

ISSUED, DENIED, FAILED = "Issued", "Denied", "Failed"
ANSWERS: Final = (ISSUED, DENIED, FAILED)
_UID_LIMIT, _CHAIN_LIMIT = 128, 100 * 1024
_UIDS: Final = ("podUID", "serviceAccountUID", "nodeUID")
_CERTIFICATE: Final = ("certificateChain", "notBefore", "beginRefreshAt", "notAfter")


class PodCertificateRequestSpec(View, frozen=True):
    signer_name: str = ""
    pod_name: str = ""
    pod_uid: str = field(default="", name="podUID")
    service_account_name: str = ""
    service_account_uid: str = field(default="", name="serviceAccountUID")
    node_name: str = ""
    node_uid: str = field(default="", name="nodeUID")
    max_expiration_seconds: int | None = None
    stub_pkcs10_request: str = field(default="", name="stubPKCS10Request")
    unverified_user_annotations: dict[str, str] = field(default_factory=dict)


class PodCertificateRequestStatus(View, frozen=True):
    conditions: tuple[Condition, ...] = ()
    certificate_chain: str = ""
    not_before: str | None = None
    begin_refresh_at: str | None = None
    not_after: str | None = None


class PodCertificateRequest(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: PodCertificateRequestSpec = PodCertificateRequestSpec()
    status: PodCertificateRequestStatus = PodCertificateRequestStatus()


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = signer_name("spec.signerName", spec.get("signerName", ""))
    found += user_annotations("spec.unverifiedUserAnnotations", spec.get("unverifiedUserAnnotations") or {})
    for name in ("podName", "serviceAccountName", "nodeName"):
        found += rules.all_invalid(f"spec.{name}", spec.get(name, ""), names.dns_subdomain(spec.get(name, "")))
    for name in _UIDS:
        uid = spec.get(name, "")
        if not uid:
            found.append(causes.invalid(f"spec.{name}", "", "must not be empty"))
        elif len(uid) > _UID_LIMIT:
            found.append(causes.too_long(f"spec.{name}", _UID_LIMIT))
    return found + _lifetime(spec)


def _lifetime(spec: Json) -> list[Cause]:
    path, seconds = "spec.maxExpirationSeconds", spec.get("maxExpirationSeconds")
    if seconds is None:
        return [causes.required(path, "must be set")]
    longest = LONGEST_KUBERNETES if of_kubernetes(spec.get("signerName", "")) else LONGEST
    if SHORTEST <= seconds <= longest:
        return []
    return [causes.invalid(path, seconds, f"must be in the range [{SHORTEST}, {longest}]")]


def validate_update(new: Json, old: Json) -> list[Cause]:
    return [] if new.get("spec") == old.get("spec") else [causes.omitted("spec", causes.IMMUTABLE)]


def validate_status(new: Json, old: Json) -> list[Cause]:
    """What can be said without reading the certificate."""
    given, before = new.get("status") or {}, old.get("status") or {}
    if found := _conditions(given.get("conditions") or []):
        return found
    if answer(old):
        text = "immutable after PodCertificateRequest is issued, denied, or failed"
        return [] if _plain(given) == _plain(before) else [causes.omitted("status", text)]
    now = answer(new)
    if now in (DENIED, FAILED):
        text = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
        return [causes.omitted("status", text)] if any(given.get(name) for name in _CERTIFICATE) else []
    if now == ISSUED:
        return _issued(given)
    text = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'
    return [] if _plain(given) == _plain(before) else [causes.omitted("status", text)]


def answer(obj: Json) -> str:
    """Issued, Denied, Failed, or "" as long as there is none."""
    said = [each.get("type", "") for each in at(obj, "status.conditions") or () if each.get("status") == "True"]
    return next((each for each in said if each in ANSWERS), "")


def _conditions(given: list[Json]) -> list[Cause]:
    found: list[Cause] = []
    for index, each in enumerate(given):
        path, said = f"status.conditions[{index}]", each.get("type", "")
        if said not in ANSWERS:
            found.append(causes.unsupported(f"{path}.type", said, ANSWERS))
        else:
            if index:
                text = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
                found.append(causes.invalid(f"{path}.type", said, text))
            found += rules.one_of(f"{path}.status", each.get("status", ""), ("True",))
        found += _told(path, each)
    return found


def _told(path: str, condition: Json) -> list[Cause]:
    wanted = ("lastTransitionTime", "reason")
    return [causes.required(f"{path}.{name}", "must be set") for name in wanted if not condition.get(name)]


def _issued(status: Json) -> list[Cause]:
    if len(status.get("certificateChain", "").encode()) > _CHAIN_LIMIT:
        return [causes.too_long("status.certificateChain", _CHAIN_LIMIT)]
    fits = "must be present and consistent with the issued certificate"
    between = "must be present and in the range [notbefore+10min, notafter-10min]"
    texts = {"notBefore": fits, "notAfter": fits, "beginRefreshAt": between}
    return [causes.required(f"status.{name}", text) for name, text in texts.items() if not status.get(name)]


def _plain(status: Json) -> Json:
    return {name: value for name, value in status.items() if value}


def selectable(obj: Json) -> dict[str, str]:
    spec = obj.get("spec") or {}
    return {f"spec.{name}": spec.get(name, "") for name in ("signerName", "podName", "nodeName")}


KIND = Kind(
    "certificates.k8s.io",
    "v1",
    "PodCertificateRequest",
    PodCertificateRequest,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    strategy=Strategy(status=True, unconditional_update=False, status_keeps_metadata=True),
    fields=selectable,
    field_names=frozenset(("spec.signerName", "spec.podName", "spec.nodeName")),
)
