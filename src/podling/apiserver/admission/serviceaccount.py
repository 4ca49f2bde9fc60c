"""Every Pod runs as a service account and finds its token, the cluster's CA and its namespace in a volume.

As upstream's plugin of this name (KEP-1205): the account must exist; the volume `kube-api-access-…` is projected, so
the token is bound to the Pod and renewed by the kubelet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podling.api.errors import forbidden
from podling.api.objects import Object, key_of, prefix_of
from podling.apiserver.admission.attempt import Attempt
from podling.env import Env
from podling.storage.interest import Interest
from podling.storage.watchcache import WatchCache

if TYPE_CHECKING:
    from podling.api.kinds.core.serviceaccount import ServiceAccount as Account

Json = dict[str, Any]

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME = "kube-api-access-"
TOKEN_SECONDS = 3607
PATIENCE = 3.0
ACCOUNTS = prefix_of("", "serviceaccounts")
MIRROR = "kubernetes.io/config.mirror"


class ServiceAccount:
    operations = ("CREATE",)
    kinds = (("", "Pod"),)

    def __init__(self, env: Env, cache: WatchCache) -> None:
        self._env, self._cache = env, cache

    async def admit(self, attempt: Attempt) -> None:
        pod = attempt.obj
        spec = pod.get("spec") or {}
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            return
        name = spec.setdefault("serviceAccountName", "default") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        found = await self._account(attempt.namespace, name)
        if found is None:
            why = f'error looking up service account {attempt.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden("pods", pod["metadata"].get("name", ""), why)
        if "imagePullSecrets" not in spec and found.view.image_pull_secrets:
            spec["imagePullSecrets"] = found.json()["imagePullSecrets"]
        if _mounts(spec, found.view):
            self._mount(spec)

    async def _account(self, namespace: str, name: str) -> Object | None:
        """The account; the default one of a new namespace is waited for a moment, its controller is on the way."""
        key = key_of("", "serviceaccounts", namespace, name)
        found = self._cache.get(key)
        if found is not None or name != "default":
            return found
        interest = Interest(namespace=namespace, name=name)
        async with self._cache.watch(ACCOUNTS, since=self._cache.revision, interest=interest) as events:
            await events.next(PATIENCE)
        return self._cache.get(key)

    def _mount(self, spec: Json) -> None:
        containers = [*spec.get("initContainers", ()), *spec.get("containers", ())]
        without = [each for each in containers if not _has_mount(each)]
        if not without:
            return
        volumes = [*(spec.get("volumes") or ())]
        # There is one already where a webhook added a container and all plugins run once more.
        volume = next((each["name"] for each in volumes if each.get("name", "").startswith(VOLUME)), "")
        if not volume:
            volume = f"{VOLUME}{self._env.suffix()}"
            spec["volumes"] = [*volumes, {"name": volume, "projected": _projection()}]
        for container in without:
            mount = {"name": volume, "readOnly": True, "mountPath": MOUNT_PATH}
            container["volumeMounts"] = [*container.get("volumeMounts", ()), mount]


def _mounts(spec: Json, account: Account) -> bool:
    """The Pod's word counts before the account's; unsaid means yes."""
    for said in (spec.get("automountServiceAccountToken"), account.automount_service_account_token):
        if said is not None:
            return bool(said)
    return True


def _has_mount(container: Json) -> bool:
    return any(mount.get("mountPath") == MOUNT_PATH for mount in container.get("volumeMounts", ()))


def _projection() -> Json:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }
