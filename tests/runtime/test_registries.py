"""Images from registries: tokens, logins, indexes, digests, and what goes wrong told in words."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from podling.env import SystemEnv
from podling.runtime.images import names
from podling.runtime.images.registry import RegistryPuller, base_url
from podling.runtime.images.service import ImageService
from podling.runtime.images.store import Entry, ImageError, ImageStore
from podling.runtime.interface import RuntimeFailure
from tests.runtime.imagefiles import digest, layer
from tests.runtime.machines import real
from tests.runtime.registries import Basic, Private, published, registry

pytestmark = real  # owners and whiteouts are root's


async def pull(store: ImageStore, name: str) -> Entry:
    return await RegistryPuller(store, SystemEnv(), {}).pull(names.parse(name))


async def test_an_image_is_pulled_with_a_token_through_an_index(tmp_path: Path) -> None:
    store, content = ImageStore(tmp_path), published(layer(a="1"), layer(b="2"))
    with registry(content) as host:
        entry = await pull(store, f"{host}/a/b:1")
        index = digest(content["/v2/a/b/manifests/1"][1])
        assert (entry.names, entry.digests) == ((f"{host}/a/b:1",), (f"{host}/a/b@{index}",))
        assert not entry.local
        assert store.find(f"{host}/a/b@{index}") == entry
        assert (store.layer(digest(layer(b="2"))) / "b").read_text() == "2"


@pytest.mark.parametrize("kind", [Private, Basic])
async def test_logins_are_tried_until_one_is_good(tmp_path: Path, kind: type[Private]) -> None:
    with registry(published(layer(a="1")), kind) as host:
        reference, puller = names.parse(f"{host}/a/b:1"), RegistryPuller(ImageStore(tmp_path), SystemEnv(), {})
        with pytest.raises(ImageError, match=r"denied|authorize"):
            await puller.pull(reference)
        with pytest.raises(ImageError, match=r"denied|authorize"):
            await puller.pull(reference, ("me:wrong", "you:secret"))
        assert (await puller.pull(reference, ("you:secret", "me:secret"))).names == (f"{host}/a/b:1",)
        own = RegistryPuller(ImageStore(tmp_path / "other"), SystemEnv(), {host: "me:secret"})
        assert (await own.pull(reference, ("you:secret",))).names == (f"{host}/a/b:1",)


async def test_a_blob_that_is_not_its_digest_is_refused(tmp_path: Path) -> None:
    content = published(layer(a="1"))
    forged = next(path for path in content if path.endswith(digest(gzip.compress(layer(a="1")))))
    content[forged] = ("application/octet-stream", gzip.compress(layer(a="2")))
    with registry(content) as host, pytest.raises(ImageError, match="another digest"):
        await pull(ImageStore(tmp_path), f"{host}/a/b:1")
    assert ImageStore(tmp_path).list() == ()


async def test_failures_are_told_in_the_words_that_people_search_for(tmp_path: Path) -> None:
    service = ImageService(ImageStore(tmp_path), RegistryPuller(ImageStore(tmp_path), SystemEnv(), {}), SystemEnv())
    with registry({}) as host, pytest.raises(RuntimeFailure) as missing:
        await service.ensure(f"{host}/a/b:2", "Always")
    assert missing.value.message.startswith(
        f'failed to pull and unpack image "{host}/a/b:2": failed to resolve reference'
    )
    assert missing.value.message.endswith("not found")
    with pytest.raises(RuntimeFailure) as refused:
        await service.ensure("127.0.0.1:1/x:1", "Always")
    assert refused.value.message.endswith("dial tcp 127.0.0.1:1: connect: connection refused")


def test_only_this_machine_itself_is_spoken_to_without_tls() -> None:
    assert base_url("127.0.0.1:5000") == "http://127.0.0.1:5000"
    assert base_url("localhost") == "http://localhost"
    assert base_url("registry.example:5000") == "https://registry.example:5000"


async def test_pods_that_want_the_same_image_at_once_wait_for_one_pull(tmp_path: Path) -> None:
    asked: list[str] = []

    class Counting(RegistryPuller):
        async def pull(self, reference: names.Reference, logins: tuple[str, ...] = ()) -> Entry:
            asked.append(str(reference))
            return await super().pull(reference, logins)

    store = ImageStore(tmp_path)
    service = ImageService(store, Counting(store, SystemEnv(), {}), SystemEnv())
    with registry(published(layer(a="1"))) as host:
        images = await asyncio.gather(*(service.ensure(f"{host}/a/b:1", "IfNotPresent") for _ in range(5)))
    assert asked == [f"{host}/a/b:1"]
    assert len({image.id for image in images}) == 1
