"""What the scheduler writes: bindings, explanations, evictions. It decides nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from podling.api.errors import ApiError, NotFound
from podling.api.objects import Object
from podling.client.events import EventRecorder
from podling.client.indexed import Lister
from podling.client.resources import PODS
from podling.client.rest import Rest
from podling.env import Env, rfc3339
from podling.reconcile import pods
from podling.reconcile.action import reference
from podling.scheduler.cycle import Unschedulable
from podling.scheduler.preemption import Preemption
from podling.scheduler.snapshot import PodFacts

log = logging.getLogger(__name__)


class Writer:
    """`seen` are the Pods as the informer knows them."""

    def __init__(
        self, rest: Rest, recorder: EventRecorder, env: Env, seen: Lister, journal: Callable[[str], None]
    ) -> None:
        self._rest, self._recorder, self._env, self._seen, self._journal = rest, recorder, env, seen, journal

    async def bind(self, facts: PodFacts, node: str) -> ApiError | None:
        """Returns what went wrong. That the Pod is there already is no error: the answer of an earlier try was lost."""
        meta = facts.pod.metadata
        try:
            await self._rest.bind(meta.namespace, meta.name, facts.uid, node)
        except ApiError as error:
            if not error.message.endswith(f'is already assigned to node "{node}"'):
                self._journal(f"bind {facts.key} to {node}: failed: {error}")
                return error
        self._journal(f"bind {facts.key} to {node}: ok")
        found = self._found(facts)
        if found is not None:
            message = f"Successfully assigned {meta.namespace}/{meta.name} to {node}"
            self._recorder.event(reference(found), "Normal", "Scheduled", message)
        return None

    async def explain(self, facts: PodFacts, decision: Unschedulable) -> bool:
        """An event, the PodScheduled condition, and the evictions that make room; False where some of it failed.

        The evictions come last: the API then has said that the Pod is still there, and nobody goes for one that is not.
        """
        found = self._found(facts)
        if found is None:
            return True
        self._journal(f"unschedulable {facts.key}: {decision.message}")
        self._recorder.event(reference(found), "Warning", "FailedScheduling", decision.message)
        status = self._condition(found, decision.message)
        if decision.preemption is not None:
            status["nominatedNodeName"] = decision.preemption.node
        error = await self._patch_status(facts, status) if status else None
        if error is not None:
            return isinstance(error, NotFound)
        if decision.preemption is None:
            return True
        victims = (self._evict(facts, victim, decision.preemption) for victim in decision.preemption.victims)
        return all(await asyncio.gather(*victims))

    async def _evict(self, winner: PodFacts, victim: PodFacts, preemption: Preemption) -> bool:
        """Whoever counts disruptions has to be told before the Pod goes, or it does not go."""
        found = self._found(victim)
        if found is None or found.head.deleting:
            return True
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
            "lastTransitionTime": rfc3339(self._env.now()),
        }
        error = await self._patch_status(victim, {"conditions": [condition]})
        if error is not None:
            return isinstance(error, NotFound)
        head = found.head
        try:
            await self._rest.delete(PODS, head.namespace, head.name, uid=victim.uid)
        except ApiError as error:
            log.info("%s not evicted: %s", victim.key, error)
            return isinstance(error, NotFound)
        self._journal(f"evict {victim.key} from {preemption.node} for {winner.key}")
        message = f"Preempted by pod {winner.uid} on node {preemption.node}"
        self._recorder.event(reference(found), "Normal", "Preempted", message)
        return True

    def _condition(self, found: Object, message: str) -> dict[str, Any]:
        """The status to write; empty where the Pod says it already."""
        known = pods.condition(found.view, "PodScheduled")
        if known is not None and (known.status, known.message) == ("False", message):
            return {}
        since = known.last_transition_time if known is not None and known.status == "False" else ""
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": since or rfc3339(self._env.now()),
        }
        return {"conditions": [condition]}

    async def _patch_status(self, facts: PodFacts, status: dict[str, Any]) -> ApiError | None:
        """Returns what went wrong."""
        meta = facts.pod.metadata
        patch = {"metadata": {"uid": facts.uid}, "status": status}
        try:
            await self._rest.patch_status(PODS, meta.namespace, meta.name, patch, kind="strategic-merge")
        except ApiError as error:
            log.info("%s: status not written: %s", facts.key, error)
            return error
        return None

    def _found(self, facts: PodFacts) -> Object | None:
        found = self._seen.by_key(facts.key)
        return found if found is not None and found.head.uid == facts.uid else None
