"""A Pod's own certificate as files: key and chain in one, which is read at once, or each by itself (KEP-4317)."""

from __future__ import annotations

from podling.api.kinds.core.volume import PodCertificateProjection
from podling.kubelet.volumes.atomic import File
from podling.kubelet.volumes.keys import DEFAULT_MODE
from podling.kubelet.volumes.types import Credentials


def payload(
    wanted: PodCertificateProjection, issued: Credentials, group: int | None, only_user: int | None, mode: int | None
) -> dict[str, File]:
    """Readable for nobody but the Pod's group or only user, where these are known, as a token is."""
    user = wanted.user if wanted.user is not None else only_user
    mode = 0o600 if group is not None or user is not None else DEFAULT_MODE if mode is None else mode
    shown = {
        wanted.credential_bundle_path: issued.key + issued.chain,
        wanted.key_path: issued.key,
        wanted.certificate_chain_path: issued.chain,
    }
    return {path: File(content, mode, user) for path, content in shown.items() if path}
