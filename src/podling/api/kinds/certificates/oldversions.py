"""CertificateSigningRequest as certificates.k8s.io/v1beta1 wrote it, until 1.22: perhaps without signer and usages."""

from __future__ import annotations

from typing import Final

from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import same_shape

LEGACY_SIGNER: Final = "kubernetes.io/legacy-unknown"


def beta_defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, "usages", ["digital signature", "key encipherment"])
    fill(spec, "signerName", LEGACY_SIGNER)
    for condition in (obj.get("status") or {}).get("conditions") or ():
        fill(condition, "status", "True")


def requests() -> Conversion:
    return same_shape("certificates.k8s.io", "v1beta1", beta_defaults, "certificates.k8s.io/v1")
