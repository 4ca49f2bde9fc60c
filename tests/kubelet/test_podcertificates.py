"""The certificates of Pods on a node: asked for, shown, renewed, refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from podling.api.kinds.core.pod import Pod
from podling.client.events import EventRecorder
from podling.client.resources import EVENTS, NODES, PODCERTIFICATEREQUESTS
from podling.kubelet.podcertificates import PodCertificates
from podling.kubelet.volumes.types import Credentials
from podling.supervise import Supervisor
from tests.kubelet.world import NODE, World, ready, waiting, world
from tests.pki.podsigner import PodSigner, answered

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]
Json = dict[str, Any]
MOUNT = {"containers": [{"name": "main", "image": "app", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}
HOUR = 3600.0


def source(**more: Any) -> Json:
    return {"signerName": "example.com/tests", "keyType": "ECDSAP256", "credentialBundlePath": "both.pem", **more}


async def create(w: World, **more: Any) -> Json:
    projected = {"sources": [{"podCertificate": source(**more)}]}
    return await w.create(**MOUNT, volumes=[{"name": "v", "projected": projected}])


async def requests(w: World) -> AsyncIterator[Json]:
    """Every new request, as it is made."""
    async with w.admin.transport.watch(PODCERTIFICATEREQUESTS, since=0) as batches:
        async for batch in batches:
            for event in batch:
                if event.type == "ADDED":
                    yield event.object.json()


async def answer(w: World, decide: Callable[[Json], Json], seen: list[Json]) -> None:
    async for request in requests(w):
        seen.append(request)
        name, namespace = request["metadata"]["name"], request["metadata"]["namespace"]
        body = {"status": decide(request)}
        await w.admin.patch_status(PODCERTIFICATEREQUESTS, namespace, name, body)


def shown(w: World, pod: Json, file: str = "both.pem") -> str:
    return (w.state / "pods" / pod["metadata"]["uid"] / "volumes/v" / file).read_text()


def leaf(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text[text.index("-----BEGIN CERT") :].encode())


def fits(text: str) -> bool:
    key = serialization.load_pem_private_key(text.encode(), None)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form) == leaf(text).public_key().public_bytes(*form)


async def test_a_pod_starts_with_a_key_and_the_certificate_for_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node(), Supervisor() as tasks:
        signer, seen = PodSigner(w.env.now()), []
        tasks.start("signer", answer(w, lambda request: signer.issued(request, w.env.now()), seen))
        files = {"keyPath": "key.pem", "certificateChainPath": "chain.pem"}
        await create(w, **files, maxExpirationSeconds=7200, userAnnotations={"example.com/a": "b"})
        pod = await w.until(ready)
        (request,) = seen
        assert request["spec"]["podUID"] == pod["metadata"]["uid"]
        assert request["spec"]["maxExpirationSeconds"] == 7200
        assert request["spec"]["unverifiedUserAnnotations"] == {"example.com/a": "b"}
        assert request["metadata"]["ownerReferences"][0]["uid"] == pod["metadata"]["uid"]
        both = shown(w, pod)
        assert both.startswith("-----BEGIN PRIVATE KEY-----") and fits(both)
        assert both == shown(w, pod, "key.pem") + shown(w, pod, "chain.pem")
        assert not [event for event in await w.events() if "FailedMount" in event]


async def test_a_pod_waits_until_its_signer_answers(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node():
        await create(w)
        await w.until(waiting("ContainerCreating"))
        await w.env.sleep(60)
        assert any("credential bundle is not issued yet" in event for event in await w.events())
        listing = await w.admin.transport.list(PODCERTIFICATEREQUESTS)
        (request,) = [each.json() for each in listing.items]
        status = PodSigner(w.env.now()).issued(request, w.env.now())
        name, before = request["metadata"]["name"], w.env.now()
        await w.admin.patch_status(PODCERTIFICATEREQUESTS, "default", name, {"status": status})
        await w.until(ready)
        assert w.env.now() - before < 1


async def test_a_denied_pod_does_not_start_and_is_told_why(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node(), Supervisor() as tasks:
        seen: list[Json] = []
        no = answered("Denied", w.env.now(), "UnsupportedKeyType", "take another")
        tasks.start("signer", answer(w, lambda request: {"conditions": [no]}, seen))
        await create(w)
        await w.env.sleep(300)
        assert len(seen) == 1
        told = await w.events()
        why = 'reason="UnsupportedKeyType" message="take another"'
        assert any(f"PodCertificateRequest was permanently denied: {why}" in each for each in told)
        assert any(each.startswith("Warning Denied PodCertificateRequest default/req-") for each in told)
        assert not ready(await w.pod())


class Source:
    """One source of a volume, looked after as a worker does it; without the rest of a node, which takes longer."""

    def __init__(self, w: World, tasks: Supervisor, pod: Pod) -> None:
        transport = w.server.transport(f"system:node:{NODE}", ["system:nodes"])
        self.recorder = EventRecorder(transport, w.env, "kubelet")
        self.certificates = PodCertificates(transport, w.env, tasks, self.recorder, NODE)
        self.w, self.pod, self.woken = w, pod, asyncio.Event()
        self.shown: list[Credentials] = []
        tasks.start("source", self._run())
        tasks.start("events", self.recorder.run())

    async def _run(self) -> None:
        wanted = self.pod.spec.volumes[0].projected.sources[0].pod_certificate  # type: ignore[union-attr]
        assert wanted is not None
        while True:
            found = await self.certificates.credentials(self.pod, self.woken.set, "v", 0, wanted)
            if not self.shown or self.shown[-1].chain != found.chain:
                self.shown.append(found)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.woken.wait(), found.refresh_at - self.w.env.now())
            self.woken.clear()

    async def after(self, seconds: float) -> None:
        """Time passes, and the Pod's worker comes by."""
        self.w.env.jump(seconds)  # type: ignore[attr-defined]
        self.woken.set()
        await self.w.env.sleep(3)


async def source_of(w: World, tasks: Supervisor) -> Source:
    await w.admin.create(NODES, "", {"metadata": {"name": NODE}})
    return Source(w, tasks, msgspec.convert(await create(w, maxExpirationSeconds=3600), Pod))


async def test_a_certificate_is_renewed_before_it_ends(tmp_path: Path) -> None:
    async with world(tmp_path) as w, Supervisor() as tasks:
        signer, seen = PodSigner(w.env.now()), []
        tasks.start("signer", answer(w, lambda request: signer.issued(request, w.env.now()), seen))
        source = await source_of(w, tasks)
        await source.after(0)
        await source.after(0.6 * HOUR)
        assert len(source.shown) == len(seen) == 1
        await source.after(0.3 * HOUR)
        first, second = source.shown
        assert first.key != second.key and fits((second.key + second.chain).decode())
        assert second.refresh_at > first.ends_at


async def test_what_is_not_renewed_stays_and_is_complained_about(tmp_path: Path) -> None:
    async with world(tmp_path) as w, Supervisor() as tasks:
        signer, seen = PodSigner(w.env.now()), []

        def once(request: Json) -> Json:
            return signer.issued(request, w.env.now()) if len(seen) == 1 else {}

        tasks.start("signer", answer(w, once, seen))
        source = await source_of(w, tasks)
        for _ in range(3):
            await source.after(0.5 * HOUR)
        assert len(source.shown) == 1
        await source.recorder.flush()
        told = [each.view.reason for each in (await w.admin.transport.list(EVENTS)).items]
        assert sorted(told) == ["CertificateExpired", "CertificateOverdueForRefresh"]


async def test_a_request_that_somebody_deletes_is_made_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w, w.node(), Supervisor() as tasks:
        signer, seen = PodSigner(w.env.now()), []

        async def sign() -> None:
            async for request in requests(w):
                seen.append(request)
                name = request["metadata"]["name"]
                if len(seen) == 1:
                    await w.admin.delete(PODCERTIFICATEREQUESTS, "default", name)
                else:
                    body = {"status": signer.issued(request, w.env.now())}
                    await w.admin.patch_status(PODCERTIFICATEREQUESTS, "default", name, body)

        tasks.start("signer", sign())
        await create(w)
        await w.until(ready)
        assert len(seen) == 2
