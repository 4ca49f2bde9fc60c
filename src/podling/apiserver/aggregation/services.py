"""The APIServices that lead elsewhere, followed; without any, a request asks one attribute and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from podling.api.objects import Event, prefix_of
from podling.storage.watchcache import WatchCache

GROUP = "apiregistration.k8s.io"
PREFIX = prefix_of(GROUP, "apiservices")


class Remote(NamedTuple):
    """One group version and the Service that answers it."""

    name: str
    """Of the APIService: `v1beta1.metrics.k8s.io`."""
    group: str
    version: str
    namespace: str
    service: str
    port: int
    authority: str
    """A caBundle, base64 of PEM."""
    unverified: bool
    group_priority: int
    version_priority: int

    @property
    def host(self) -> str:
        """The name its certificate is for."""
        return f"{self.service}.{self.namespace}.svc"

    @property
    def path(self) -> str:
        return f"/apis/{self.group}/{self.version}"


class Services:
    """`remote` by (group, version)."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self.remote: dict[tuple[str, str], Remote] = {}
        self._available: dict[str, bool] = {}
        cache.follow(PREFIX, self._changed)
        self._load()

    def available(self, remote: Remote) -> bool:
        """As the condition of its APIService says; unsaid means not yet."""
        return self._available.get(remote.name, False)

    def _changed(self, _: Event) -> None:
        self._load()

    def _load(self) -> None:
        self.remote = {(each.group, each.version): each for each in self._remotes()}

    def _remotes(self) -> Iterator[Remote]:
        self._available = {}
        for obj in self._cache.list(PREFIX):
            if b'"service"' not in obj.raw:
                continue
            said = obj.json()
            spec = said.get("spec") or {}
            if not (service := spec.get("service")):
                continue
            conditions = (said.get("status") or {}).get("conditions") or ()
            good = any(each.get("type") == "Available" and each.get("status") == "True" for each in conditions)
            self._available[obj.head.name] = good
            yield Remote(
                obj.head.name,
                spec.get("group", ""),
                spec.get("version", ""),
                service.get("namespace", ""),
                service.get("name", ""),
                service.get("port") or 443,
                spec.get("caBundle") or "",
                bool(spec.get("insecureSkipTLSVerify")),
                spec.get("groupPriorityMinimum", 0),
                spec.get("versionPriority", 0),
            )
