"""All that others have to say about a write, wired together: the plugins of the chain behind our own."""

from __future__ import annotations

from collections.abc import Sequence

from podling.apiserver.authorization.question import Authorizer
from podling.apiserver.policies.compiling import Compilers
from podling.apiserver.policies.definitions import Policies
from podling.apiserver.policies.mutating import MutatingPolicies
from podling.apiserver.policies.params import Params
from podling.apiserver.policies.rights import ParamRights
from podling.apiserver.policies.typechecking import TypeChecking
from podling.apiserver.policies.validating import ValidatingPolicies
from podling.apiserver.policies.values import Facts
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

    def __init__(
        self, env: Env, cache: WatchCache, dialer: Dialer, resources: Resources, authorizer: Authorizer
    ) -> None:
        self.client = WebhookClient(cache, env, dialer)
        self._env = env
        compilers, facts = Compilers(), Facts(cache, authorizer)
        self._cache, self._authorizer, self._facts, self._resources = cache, authorizer, facts, resources
        self._matcher, self._params = Matcher(cache, resources), Params(cache, resources)
        self._asking = Asking(env, self.client, self._matcher, facts)
        self._mutating = Configurations(cache, compilers, "mutatingwebhookconfigurations")
        self._validating = Configurations(cache, compilers, "validatingwebhookconfigurations")
        kinds = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings")
        self._mutating_policies = Policies(cache, compilers, *kinds)
        kinds = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
        self._validating_policies = Policies(cache, compilers, *kinds)

    @property
    def active(self) -> bool:
        """Whether there is anything to ask at all."""
        hooks = self._mutating.hooks or self._validating.hooks
        return bool(hooks or self._mutating_policies.bound or self._validating_policies.bound)

    def mutating(self) -> Sequence[object]:
        """In upstream's order."""
        return (
            MutatingPolicies(self._env, self._mutating_policies, self._matcher, self._params, self._facts),
            MutatingWebhooks(self._mutating, self._asking),
        )

    def validating(self) -> Sequence[object]:
        """In upstream's order."""
        return (
            TypeChecking(self._env, self._resources, self._params),
            ParamRights(self._cache, self._authorizer, self._params),
            ValidatingPolicies(self._env, self._validating_policies, self._matcher, self._params, self._facts),
            ValidatingWebhooks(self._validating, self._asking),
        )

    def close(self) -> None:
        self.client.close()
