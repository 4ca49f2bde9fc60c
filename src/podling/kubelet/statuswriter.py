"""Writes one Pod's status: only what changed, one request at a time, the newest state wins.

A status that only tells how a Pod comes up waits a moment for the next one (most Pods are Ready before it is over, and
then one write does for two); everything that concerns traffic goes out at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from podling.api.errors import ApiError, NotFound
from podling.client.resources import PODS
from podling.client.rest import Rest
from podling.env import Env
from podling.kubelet.podstatus import patch_between
from podling.supervise import Supervisor

COALESCE = 0.25
FIRST_RETRY, LONGEST_RETRY = 0.1, 5.0
log = logging.getLogger(__name__)


class StatusWriter:
    def __init__(
        self, rest: Rest, env: Env, tasks: Supervisor, namespace: str, name: str, uid: str, written: Mapping[str, Any]
    ) -> None:
        """`written` is the status the API has."""
        self._rest, self._env, self._tasks = rest, env, tasks
        self._namespace, self._name, self._uid = namespace, name, uid
        self._written: Mapping[str, Any] = written
        self._wanted: Mapping[str, Any] = written
        self._urgent = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.gone = False
        """The API has no such Pod any more."""

    def publish(self, status: Mapping[str, Any]) -> None:
        """Make the API show `status`, soon."""
        self._wanted = status
        if status["phase"] != "Pending":
            self._urgent.set()
        if self._idle.is_set() and not self.gone and patch_between(self._written, status) is not None:
            self._idle.clear()
            self._tasks.start(f"status of {self._name}", self._write())

    async def flush(self) -> None:
        """Until the API shows the newest status, or the Pod is gone."""
        self._urgent.set()
        await self._idle.wait()

    async def _write(self) -> None:
        delay = FIRST_RETRY
        try:
            await self._wait_for_more()
            while not self.gone:
                wanted = self._wanted
                patch = patch_between(self._written, wanted)
                if patch is None:
                    return
                try:
                    body = {"metadata": {"uid": self._uid}, "status": patch}
                    await self._rest.patch_status(PODS, self._namespace, self._name, body, kind="strategic-merge")
                    self._written, delay = wanted, FIRST_RETRY
                except NotFound:
                    self.gone = True
                except ApiError as error:
                    # A Conflict is another Pod of this name, of which the informer will tell, or a lost race.
                    log.info("status of pod %s/%s: %s", self._namespace, self._name, error)
                    await self._env.sleep(delay)
                    delay = min(2 * delay, LONGEST_RETRY)
        finally:
            self._urgent.clear()
            self._idle.set()

    async def _wait_for_more(self) -> None:
        if self._urgent.is_set():
            return
        try:
            async with asyncio.timeout(COALESCE):
                await self._urgent.wait()
        except TimeoutError:
            return
