"""Service account tokens for projected volumes: asked for with TokenRequest, bound to the Pod, kept while fresh."""

from __future__ import annotations

from typing import Any

from podling.api.kinds.core.pod import Pod
from podling.client.resources import SERVICEACCOUNTS
from podling.client.rest import Rest
from podling.env import Env, parse_rfc3339
from podling.kubelet.volumes.types import Token

Key = tuple[str, str, int]
"""Pod uid, audience, seconds."""


class TokenCache:
    def __init__(self, rest: Rest, env: Env) -> None:
        self._rest, self._env = rest, env
        self._tokens: dict[Key, Token] = {}

    async def token(self, pod: Pod, audience: str, seconds: int) -> Token:
        """A token that need not be renewed yet. Raises ApiError."""
        key = (pod.metadata.uid, audience, seconds)
        known = self._tokens.get(key)
        if known is not None and known.refresh_at > self._env.now():
            return known
        now = self._env.now()
        answer = await self._rest.create(
            SERVICEACCOUNTS,
            pod.metadata.namespace,
            _request(pod, audience, seconds),
            name=pod.spec.service_account_name or "default",
            subresource="token",
        )
        status = answer.object["status"]
        token = self._tokens[key] = Token(status["token"], now, parse_rfc3339(status["expirationTimestamp"]))
        return token

    def forget(self, pod_uid: str) -> None:
        for key in [key for key in self._tokens if key[0] == pod_uid]:
            del self._tokens[key]


def _request(pod: Pod, audience: str, seconds: int) -> dict[str, Any]:
    bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}
    spec: dict[str, Any] = {"boundObjectRef": bound, "expirationSeconds": seconds}
    if audience:
        spec["audiences"] = [audience]
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
