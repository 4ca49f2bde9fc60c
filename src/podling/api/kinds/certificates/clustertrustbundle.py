"""ClusterTrustBundle.

Certificates that Pods may mount and trust. A signer's bundles carry its name in theirs, so that nobody takes another's
for it (KEP-3257).
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, NONE, at, column, value
from podling.api.kinds.certificates.certificatesigningrequest import signer_name
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.versions import same_shape, without_defaults
from podling.api.kinds.view import View


class ClusterTrustBundleSpec(View, frozen=True):
    signer_name: str = ""
    trust_bundle: str = ""


class ClusterTrustBundle(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: ClusterTrustBundleSpec = ClusterTrustBundleSpec()


def name_rule(name: str) -> list[str]:
    """A subdomain, behind the signer's name where there is one; which signer is for `validate`."""
    return names.dns_subdomain(name.rpartition(":")[2])


def validate(obj: Json) -> list[Cause]:
    name, signer = obj["metadata"].get("name", ""), at(obj, "spec.signerName") or ""
    found: list[Cause] = []
    if signer:
        prefix = signer.replace("/", ":") + ":"
        if not name.startswith(prefix):
            text = f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
            found.append(causes.invalid("metadata.name", name, text))
        found += signer_name("spec.signerName", signer)
    elif ":" in name:
        text = 'ClusterTrustBundle without signer name must not have ":" in its name'
        found.append(causes.invalid("metadata.name", name, text))
    if not (at(obj, "spec.trustBundle") or "").strip():
        found.append(causes.invalid("spec.trustBundle", "", "at least one trust anchor must be provided"))
    return found


def validate_update(new: Json, old: Json) -> list[Cause]:
    return causes.immutable("spec.signerName", at(new, "spec.signerName"), at(old, "spec.signerName"))


KIND = Kind(
    "certificates.k8s.io",
    "v1",
    "ClusterTrustBundle",
    ClusterTrustBundle,
    validate=validate,
    validate_update=validate_update,
    name_rule=name_rule,
    strategy=Strategy(unconditional_update=False),
    columns=(NAME, column("SignerName", value("spec.signerName", NONE), description="Whose bundle it is."), AGE),
    fields=lambda obj: {"spec.signerName": at(obj, "spec.signerName") or ""},
    field_names=frozenset(("spec.signerName",)),
    conversions=tuple(
        same_shape("certificates.k8s.io", version, without_defaults, "certificates.k8s.io/v1")
        for version in ("v1beta1", "v1alpha1")
    ),
)
