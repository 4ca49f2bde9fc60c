"""projected: several sources in one folder, the service account token among them."""

from __future__ import annotations

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.volume import ServiceAccountTokenProjection, Volume
from podling.kubelet.volumes import downwardapi, keys, podcertificates, trustbundles
from podling.kubelet.volumes.atomic import File
from podling.kubelet.volumes.keys import DEFAULT_MODE
from podling.kubelet.volumes.types import (
    MountContext,
    Mounted,
    References,
    Token,
    VolumeType,
    total,
)

DEFAULT_EXPIRATION = 3600


class _ProjectedVolume:
    source = "projected"

    def references(self, volume: Volume) -> References:
        assert volume.projected is not None
        return total(
            References(
                (part.config_map.name,) if part.config_map is not None else (),
                (part.secret.name,) if part.secret is not None else (),
                part.cluster_trust_bundle is not None,
            )
            for part in volume.projected.sources
        )

    async def mount(self, volume: Volume, context: MountContext) -> Mounted:
        wanted = volume.projected
        assert wanted is not None
        mode, user = wanted.default_mode, wanted.default_user
        files: dict[str, File] = {}
        refresh: list[float] = []
        for index, part in enumerate(wanted.sources):
            if part.config_map is not None:
                named = part.config_map
                optional = bool(named.optional)
                files |= keys.payload("configmap", named.name, named.items, optional, context.sources, mode, user)
            elif part.secret is not None:
                hidden = part.secret
                optional = bool(hidden.optional)
                files |= keys.payload("secret", hidden.name, hidden.items, optional, context.sources, mode, user)
            elif part.downward_api is not None:
                files |= downwardapi.payload(part.downward_api.items, context, mode, user)
            elif part.service_account_token is not None:
                asked = part.service_account_token
                token = await context.token(asked.audience, asked.expiration_seconds or DEFAULT_EXPIRATION)
                files[asked.path] = _token_file(token, asked, context, mode)
                refresh.append(token.refresh_at)
            elif part.cluster_trust_bundle is not None:
                bundle = part.cluster_trust_bundle
                anchors = trustbundles.content(bundle, context.sources.trust_bundles)
                files[bundle.path] = File(anchors, DEFAULT_MODE if mode is None else mode, bundle.user or user)
            elif part.pod_certificate is not None:
                issued = await context.certificate(volume.name, index, part.pod_certificate)
                only = _only_user(context.pod)
                files |= podcertificates.payload(part.pod_certificate, issued, context.group, only, mode)
                refresh.append(issued.refresh_at)
        return Mounted(context.folder, files, min(refresh) if refresh else None, in_memory=True)


def _token_file(token: Token, asked: ServiceAccountTokenProjection, context: MountContext, mode: int | None) -> File:
    """Readable for the Pod's group or only user where these are known, as upstream decides it."""
    user = asked.user if asked.user is not None else _only_user(context.pod)
    if user is not None or context.group is not None:
        mode = 0o600
    return File(token.text.encode(), DEFAULT_MODE if mode is None else mode, user)


def _only_user(pod: Pod) -> int | None:
    """The user all containers run as, if that is one."""
    whole = pod.spec.security_context.run_as_user if pod.spec.security_context is not None else None
    users = set()
    for container in pod.spec.init_containers + pod.spec.containers:
        own = container.security_context.run_as_user if container.security_context is not None else None
        users.add(whole if own is None else own)
    return users.pop() if len(users) == 1 else None


VOLUME: VolumeType = _ProjectedVolume()
