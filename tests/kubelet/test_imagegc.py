"""Which images go when the disk is full, and that those in use stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from podling.env import SimulatedEnv
from podling.kubelet.config import KubeletConfig
from podling.kubelet.imagegc import Disk, ImageGc, Known, candidates, disk_of, surplus
from podling.runtime.fake import FakeRuntime
from podling.runtime.interface import ContainerConfig, Image, SandboxConfig


def image(name: str, size: int = 10, *, pinned: bool = False) -> Image:
    return Image(f"sha256:{name}", (name,), size=size, pinned=pinned)


@pytest.mark.parametrize(("available", "freed"), [(50, 0), (16, 0), (15, 5), (1, 19), (0, 20)])
def test_above_the_high_mark_the_low_one_is_the_goal(available: int, freed: int) -> None:
    assert surplus(Disk(100, available), 85, 80) == freed


def test_the_longest_unused_goes_first_and_new_used_and_own_ones_stay() -> None:
    images = [image("late"), image("never"), image("early"), image("new"), image("used"), image("own", pinned=True)]
    known = {each.id: Known(0.0) for each in images}
    known |= {"sha256:late": Known(0.0, 90.0), "sha256:early": Known(0.0, 20.0), "sha256:new": Known(950.0)}
    chosen = candidates(images, known, {"sha256:used"}, 1000.0, 120.0)
    assert [each.names[0] for each in chosen] == ["never", "early", "late"]


def test_the_disk_is_that_of_the_folder(tmp_path: Path) -> None:
    found = disk_of(tmp_path)
    assert 0 <= found.available <= found.capacity


@pytest.mark.asyncio
@pytest.mark.looptime
async def test_images_go_until_there_is_room_and_what_a_container_stands_on_stays(tmp_path: Path) -> None:
    env = SimulatedEnv(1)
    runtime = FakeRuntime(env)
    images = [await runtime.ensure_image(name, "IfNotPresent") for name in ("a", "b", "c")]
    await runtime.run_sandbox(SandboxConfig("s", "uid", "default", "web", "web"))
    await runtime.create_container("s", ContainerConfig("c1", "main", images[0].id))
    disk = [Disk(100, 50)]
    gc = ImageGc(KubeletConfig("n1", tmp_path, ""), runtime, env, lambda: disk[0])
    await gc.collect()
    await env.sleep(200)
    await gc.collect()
    assert len(await runtime.images()) == 3, "there is room"
    disk[0] = Disk(100, 4)
    await gc.collect()
    assert [each.names for each in await runtime.images()] == [images[0].names]
    await runtime.remove_container("c1")
    await gc.collect()
    assert await runtime.images() == ()
