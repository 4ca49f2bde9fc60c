"""Certificates for the volumes of Pods: asked for with PodCertificateRequests, kept, and renewed before they end.

For each source of kind podCertificate the node makes a key, asks the signer to certify it, and shows key and
certificate together once there is an answer (KEP-4317). A refusal is for good. Nothing outlives the process: a new one
asks anew. Requests of this node are watched as long as a Pod needs one.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from typing import Any

from podling.api.errors import ApiError
from podling.api.kinds.certificates.podcertificaterequest import DENIED, FAILED, ISSUED
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.volume import PodCertificateProjection
from podling.api.objects import Object
from podling.client.events import EventRecorder, Reference
from podling.client.informer import Informer
from podling.client.resources import NODES, PODCERTIFICATEREQUESTS, SERVICEACCOUNTS
from podling.client.rest import Rest
from podling.client.transport import Transport
from podling.env import Env, parse_rfc3339
from podling.kubelet.volumes.types import Credentials, MountFailure
from podling.pki import podcertificates
from podling.supervise import Supervisor

Place = tuple[str, str, int]
"""Pod uid, volume, which source of it."""
PATIENCE = 2.0
"""Seconds a mount waits for an answer before it fails for now; it is tried again when one comes."""
JITTER, LOST, LOOK_AGAIN, OVERDUE = 300.0, 600.0, 60.0, 600.0
PENDING = "credential bundle is not issued yet"
log = logging.getLogger(__name__)


class _Asked:
    """A request under way, and the key it is for."""

    def __init__(self, name: str, key: bytes, lost_at: float) -> None:
        self.name, self.key, self.lost_at = name, key, lost_at


class _Held:
    """What is known of one source."""

    def __init__(self, namespace: str, wake: Callable[[], None]) -> None:
        self.namespace, self.wake = namespace, wake
        self.credentials: Credentials | None = None
        self.asked: _Asked | None = None
        self.refused = ""
        self.answered = asyncio.Event()
        self.lock = asyncio.Lock()
        self.told: set[str] = set()


class PodCertificates:
    def __init__(self, transport: Transport, env: Env, tasks: Supervisor, recorder: EventRecorder, node: str) -> None:
        self._transport, self._rest, self._env, self._tasks = transport, Rest(transport), env, tasks
        self._recorder, self._node = recorder, node
        self._held: dict[Place, _Held] = {}
        self._informer: Informer | None = None
        self._watching: asyncio.Task[None] | None = None

    async def credentials(
        self, pod: Pod, wake: Callable[[], None], volume: str, index: int, wanted: PodCertificateProjection
    ) -> Credentials:
        """What to write for this source of a volume. `wake` is called when that may have changed. Raises MountFailure
        as long as nothing was issued, and ApiError where the request cannot be made."""
        place = (pod.metadata.uid, volume, index)
        held = self._held.setdefault(place, _Held(pod.metadata.namespace, wake))
        self._watch()
        async with held.lock:
            await self._forward(held, pod, wanted)
            if held.credentials is None and not held.refused:
                try:
                    async with asyncio.timeout(PATIENCE):
                        await held.answered.wait()
                except TimeoutError as error:
                    raise MountFailure(PENDING) from error
                self._look(held, pod)
        if held.refused:
            raise MountFailure(held.refused)
        if held.credentials is None:
            raise MountFailure(PENDING)
        return held.credentials

    def forget(self, pod_uid: str) -> None:
        """The Pod is gone."""
        for place in [place for place in self._held if place[0] == pod_uid]:
            del self._held[place]
        if not self._held and self._watching is not None:
            self._watching.cancel()
            self._watching = self._informer = None

    def _watch(self) -> None:
        if self._informer is None:
            own = f"spec.nodeName={self._node}"
            self._informer = Informer(self._transport, PODCERTIFICATEREQUESTS, self._env, field_selector=own)
            self._informer.on_change(self._changed)
            self._watching = self._tasks.start("pod certificate requests", self._informer.run())

    def _changed(self, old: Object | None, new: Object | None) -> None:
        found = new or old
        if found is None:
            return
        for held in tuple(self._held.values()):
            if held.asked is not None and (held.namespace, held.asked.name) == (found.head.namespace, found.head.name):
                if new is None:
                    held.asked.lost_at = 0.0
                if new is None or new.view.status.conditions:
                    held.answered.set()
                    held.wake()

    async def _forward(self, held: _Held, pod: Pod, wanted: PodCertificateProjection) -> None:
        """One step: read an answer, or ask where that is due."""
        self._look(held, pod)
        if held.refused:
            return
        if held.credentials is not None:
            if held.credentials.refresh_at > self._env.now():
                return
            self._complain(held, pod)
            # What there is stays good for a while; look again later, or when the answer comes.
            held.credentials = held.credentials.later(self._env.now() + LOOK_AGAIN)
        if held.asked is not None:
            return
        try:
            held.asked = await self._ask(pod, wanted)
        except ApiError as error:
            if held.credentials is None:
                raise
            log.info("pod %s/%s: certificate: %s", pod.metadata.namespace, pod.metadata.name, error)
            return
        held.answered.clear()
        # The answer may have come before we knew what it would be called.
        self._look(held, pod)

    def _look(self, held: _Held, pod: Pod) -> None:
        if held.asked is None:
            return
        assert self._informer is not None
        found = self._informer.get(held.namespace, held.asked.name)
        if found is None:
            if self._env.now() >= held.asked.lost_at:
                held.asked = None
            return
        for condition in found.view.status.conditions:
            if condition.type == ISSUED:
                held.credentials, held.asked = self._issued(found, held.asked.key), None
                held.told.clear()
            elif condition.type in (DENIED, FAILED):
                why = f"reason={json.dumps(condition.reason)}"
                said = f"message={json.dumps(condition.message)}"
                held.refused = f"PodCertificateRequest was permanently {condition.type.lower()}: {why} {said}"
                verb = "was denied" if condition.type == DENIED else "failed"
                text = f"PodCertificateRequest {found.head.namespace}/{found.head.name} {verb}, {why}, {said}"
                self._tell(pod, condition.type, text)
            return

    def _issued(self, found: Object, key: bytes) -> Credentials:
        status = found.view.status
        refresh = parse_rfc3339(status.begin_refresh_at) + JITTER * self._env.chance()
        chain = podcertificates.clean(status.certificate_chain.encode())
        return Credentials(key, chain, refresh, parse_rfc3339(status.begin_refresh_at), parse_rfc3339(status.not_after))

    def _complain(self, held: _Held, pod: Pod) -> None:
        """Once for each certificate that nobody renews."""
        assert held.credentials is not None
        now, due = self._env.now(), held.credentials
        for reason, text, when in (
            ("CertificateOverdueForRefresh", "PodCertificate refresh overdue", due.due_at + JITTER + OVERDUE),
            ("CertificateExpired", "PodCertificate expired", due.ends_at),
        ):
            if now > when and reason not in held.told:
                held.told.add(reason)
                self._tell(pod, reason, text)

    def _tell(self, pod: Pod, reason: str, message: str) -> None:
        meta = pod.metadata
        self._recorder.event(Reference("v1", "Pod", meta.name, meta.namespace, meta.uid), "Warning", reason, message)

    async def _ask(self, pod: Pod, wanted: PodCertificateProjection) -> _Asked:
        """Raises ApiError, or MountFailure for a kind of key nobody knows."""
        namespace, account = pod.metadata.namespace, pod.spec.service_account_name or "default"
        account_uid = (await self._rest.get(SERVICEACCOUNTS, namespace, account)).object["metadata"]["uid"]
        node_uid = (await self._rest.get(NODES, "", self._node)).object["metadata"]["uid"]
        try:
            stub = await self._env.in_thread(podcertificates.stub, wanted.key_type)
        except KeyError as error:
            raise MountFailure(f"unknown key type {json.dumps(wanted.key_type)}") from error
        spec: dict[str, Any] = {
            "signerName": wanted.signer_name,
            "podName": pod.metadata.name,
            "podUID": pod.metadata.uid,
            "serviceAccountName": account,
            "serviceAccountUID": account_uid,
            "nodeName": self._node,
            "nodeUID": node_uid,
            "stubPKCS10Request": base64.b64encode(stub.request).decode(),
        }
        if wanted.max_expiration_seconds is not None:
            spec["maxExpirationSeconds"] = wanted.max_expiration_seconds
        if wanted.user_annotations:
            spec["unverifiedUserAnnotations"] = wanted.user_annotations
        made = await self._rest.create(PODCERTIFICATEREQUESTS, namespace, _request(pod, spec))
        lost_at = self._env.now() + LOST + JITTER * self._env.chance()
        return _Asked(made.object["metadata"]["name"], stub.key, lost_at)


def _request(pod: Pod, spec: dict[str, Any]) -> dict[str, Any]:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}
    metadata = {"generateName": "req-", "ownerReferences": [owner]}
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "PodCertificateRequest"}
    return {**kind, "metadata": metadata, "spec": spec}
