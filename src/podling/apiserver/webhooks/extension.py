"""All that asks others about a write, wired together: the plugins of the chain behind our own."""

from __future__ import annotations

from collections.abc import Sequence

from podling.apiserver.registry.served import Resources
from podling.apiserver.webhooks.asking import Asking
from podling.apiserver.webhooks.client import WebhookClient
from podling.apiserver.webhooks.configurations import Configurations
from podling.apiserver.webhooks.matching import Matcher
from podling.apiserver.webhooks.mutating import MutatingWebhooks
from podling.apiserver.webhooks.validating import ValidatingWebhooks
from podling.env import Env
from podling.network.dialer import Dialer
from podling.storage.watchcache import WatchCache


class Extension:
    """`client` is there for others who ask webhooks (conversion)."""

    def __init__(self, env: Env, cache: WatchCache, dialer: Dialer, resources: Resources) -> None:
        self.client = WebhookClient(cache, env, dialer)
        self._asking = Asking(env, self.client, Matcher(cache, resources))
        self._mutating = Configurations(cache, "mutatingwebhookconfigurations")
        self._validating = Configurations(cache, "validatingwebhookconfigurations")

    @property
    def active(self) -> bool:
        """Whether there is anything to ask at all."""
        return bool(self._mutating.hooks or self._validating.hooks)

    def mutating(self) -> Sequence[object]:
        return (MutatingWebhooks(self._mutating, self._asking),)

    def validating(self) -> Sequence[object]:
        return (ValidatingWebhooks(self._validating, self._asking),)

    def close(self) -> None:
        self.client.close()
