"""Trust bundles as a file: the certificates of one bundle, or of all a signer has that a selector chooses.

Each certificate once, in an order that does not change from write to write (KEP-3257).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from podling.api.kinds.certificates.clustertrustbundle import ClusterTrustBundle
from podling.api.kinds.core.volume import ClusterTrustBundleProjection
from podling.kubelet.volumes.types import MountFailure
from podling.reconcile.selectors import matches

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def content(wanted: ClusterTrustBundleProjection, known: Sequence[ClusterTrustBundle]) -> bytes:
    """Empty where nothing fits and nothing has to. Raises MountFailure."""
    chosen = [bundle for bundle in known if _fits(wanted, bundle)]
    if not chosen and not wanted.optional:
        if wanted.name is not None:
            raise MountFailure(f'clustertrustbundle.certificates.k8s.io "{wanted.name}" not found')
        raise MountFailure("combination of signerName and labelSelector matched zero ClusterTrustBundles")
    return _joined(bundle.spec.trust_bundle for bundle in chosen)


def _fits(wanted: ClusterTrustBundleProjection, bundle: ClusterTrustBundle) -> bool:
    if wanted.name is not None:
        return bundle.metadata.name == wanted.name
    # A selector that is not there chooses nothing, an empty one everything.
    return (
        wanted.signer_name == bundle.spec.signer_name
        and wanted.label_selector is not None
        and matches(wanted.label_selector, bundle.metadata.labels)
    )


def _joined(bundles: Iterable[str]) -> bytes:
    found = {each: None for bundle in bundles for each in _CERTIFICATE.findall(bundle)}
    return "".join(f"{certificate}\n" for certificate in sorted(found)).encode()
