"""A Pod with claims for devices does not start where no driver could prepare them, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from podling.env import SimulatedEnv
from podling.runtime.fake import FakeRuntime
from tests.kubelet.world import World, ready, serving, waiting


class Unmarked(FakeRuntime):
    """One that does not say that it simulates."""

    simulated = False


CLAIMS = [{"name": "gpu", "resourceClaimName": "mine"}]
WHY = "Failed to prepare dynamic resources: claim default/mine: no DRA driver is registered on this node"


@pytest.mark.parametrize("runtime", [Unmarked, FakeRuntime])
async def test_devices_are_waited_for_on_real_nodes_only(tmp_path: Path, runtime: type[FakeRuntime]) -> None:
    env = SimulatedEnv(1)
    async with serving(env) as server:
        w = World(server, runtime(env), tmp_path / "node", env)
        async with w.node():
            await w.create(resourceClaims=CLAIMS)
            await w.create("plain")
            await w.until(ready, "plain")
            if runtime is FakeRuntime:
                await w.until(ready)
                return
            held = await w.until(waiting("ContainerCreating"))
            assert not ready(held)
            assert f"Warning FailedPrepareDynamicResources {WHY}" in await w.events()
