"""Which of the credentials in pull secrets are for an image, and that a pull gets them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Literal

import pytest

from podling.api.kinds.core.secret import Secret
from podling.client.resources import SECRETS
from podling.env import SimulatedEnv
from podling.kubelet.pullsecrets import logins
from podling.runtime.fake import FakeRuntime
from podling.runtime.interface import Image, RuntimeFailure
from tests.kubelet.world import ready, waiting, world


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def secret(auths: dict[str, Any]) -> Secret:
    return Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": encoded({"auths": auths})})


def auth(login: str) -> dict[str, str]:
    return {"auth": base64.b64encode(login.encode()).decode()}


@pytest.mark.parametrize(
    ("registry", "image", "fits"),
    [
        ("127.0.0.1:5000", "127.0.0.1:5000/a/b:1", True),
        ("127.0.0.1:5000", "127.0.0.1:5001/a/b:1", False),
        ("https://registry.example/v2/", "registry.example/a", True),
        ("https://index.docker.io/v1/", "busybox", True),
        ("docker.io", "library/busybox:1", True),
        ("*.example", "registry.example/a", True),
        ("*.example", "a.registry.example/a", False),
        ("registry.example/team", "registry.example/team/app", True),
        ("registry.example/team", "registry.example/other/app", False),
        ("registry.example", "NOT VALID", False),
    ],
)
def test_an_entry_is_for_a_registry_or_a_part_of_it(registry: str, image: str, fits: bool) -> None:
    assert logins([secret({registry: auth("me:secret")})], image) == (("me:secret",) if fits else ())


def test_the_most_exact_entry_comes_first_and_each_once() -> None:
    found = secret({"r.example": auth("wide:1"), "r.example/team": {"username": "narrow", "password": "2"}})
    assert logins([found, found], "r.example/team/app") == ("narrow:2", "wide:1")


def test_old_configurations_are_read_and_damaged_ones_passed_over() -> None:
    old = Secret(type="kubernetes.io/dockercfg", data={".dockercfg": encoded({"r.example": auth("old:1")})})
    damaged = [
        Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": "!"}),
        Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": encoded([1])}),
        Secret(type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": encoded({"auths": {"r.example": 1}})}),
        Secret(type="Opaque", data={".dockerconfigjson": encoded({"auths": {"r.example": auth("no:1")}})}),
        Secret(type="kubernetes.io/dockerconfigjson"),
    ]
    assert logins([*damaged, old], "r.example/app") == ("old:1",)


class Guarded(FakeRuntime):
    """Its registry knows one login."""

    async def ensure_image(
        self, image: str, policy: Literal["Always", "IfNotPresent", "Never"], logins: tuple[str, ...] = ()
    ) -> Image:
        if "me:secret" not in logins:
            raise RuntimeFailure("pull access denied", "ErrImagePull")
        return await super().ensure_image(image, policy)


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_a_pull_is_given_what_the_pods_secrets_hold(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.runtime = Guarded(SimulatedEnv(1))
        async with w.node():
            spec = {"containers": [{"name": "main", "image": "r.example/app:1"}], "imagePullSecrets": [{"name": "key"}]}
            await w.create(**spec)
            await w.until(waiting("ErrImagePull"))
            text = "Unable to retrieve some image pull secrets (key); attempting to pull the image may not succeed."
            assert f"Warning FailedToRetrieveImagePullSecret {text}" in await w.events()
            data = {".dockerconfigjson": encoded({"auths": {"r.example": auth("me:secret")}})}
            made = {"metadata": {"name": "key"}, "type": "kubernetes.io/dockerconfigjson", "data": data}
            await w.admin.create(SECRETS, "default", {"apiVersion": "v1", "kind": "Secret", **made})
            await w.until(ready)
