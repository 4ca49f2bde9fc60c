"""Those who act on a history's cluster: users who insist until they are answered, and whoever brings the troubles.

Every deed is told to the story, and what was acknowledged to the watchman, who looks that it stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from podling.api.errors import ApiError, Conflict, Forbidden, NotFound
from podling.client.resources import NODES, PODS
from podling.client.transport import Answer, Resource, Verb
from podling.testing.exploration.plan import Change, Create, Delete, Evict, Move, Release, Trouble
from podling.testing.exploration.sentences import deed
from podling.testing.exploration.watchman import Name, Watchman
from podling.testing.exploration.world import active, controller_of, labelled, same_taint
from podling.testing.simulation import Simulation

Json = dict[str, Any]
MERGE = "application/merge-patch+json"
TRIES, PAUSE = 40, 0.5
AGAIN = 5.0
"""Seconds after which a drain asks again."""
SIMULATED = "simulated"
"""The key of the taint that troubles put on nodes."""


class Users:
    """`make` a move of the plan; `tell` is the story's."""

    def __init__(self, simulation: Simulation, watchman: Watchman, tell: Callable[[str], None]) -> None:
        self._simulation, self._watchman, self._tell = simulation, watchman, tell
        self._env, self._rest = simulation.env, simulation.rest

    async def make(self, move: Move) -> None:
        match move:
            case Create():
                await self._create(move)
            case Change():
                await self._change(move)
            case Delete():
                await self._delete(move)
            case Release():
                await self._release(move)
            case Evict():
                await self._evict(move)
            case Trouble():
                await self._trouble(move)

    # What users do, until it is acknowledged or refused for good.

    async def _create(self, move: Create) -> None:
        self._tell(deed(move))
        body = await self._owned(move) if move.owner else move.body
        answer = await self._insisting("POST", move.resource.path(move.namespace), body=body)
        # What has an owner goes with it, unasked.
        if answer is not None and not move.owner:
            self._watchman.acknowledged[_name(move)] = dict(move.body.get("spec", {}))

    async def _owned(self, move: Create) -> Json:
        """The body with a reference to its owner, as long as that is there."""
        found = await self._insisting("GET", move.resource.path(move.namespace, move.owner))
        if found is None:
            return move.body
        reference = {
            "apiVersion": move.body["apiVersion"],
            "kind": move.body["kind"],
            "name": move.owner,
            "uid": found.object["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        return move.body | {"metadata": move.body["metadata"] | {"ownerReferences": [reference]}}

    async def _change(self, move: Change) -> None:
        self._tell(deed(move))
        path = move.resource.path(move.namespace, move.name)
        answer = await self._insisting("PATCH", path, body={"spec": move.spec}, content_type=MERGE)
        known = self._watchman.acknowledged.get(_name(move))
        if answer is not None and known is not None:
            self._watchman.acknowledged[_name(move)] = known | move.spec

    async def _delete(self, move: Delete) -> None:
        self._tell(deed(move))
        self._watchman.asked_to_go[_name(move)] = None
        if move.propagation == "Orphan":
            self._watchman.world.may_orphan[_name(move)] = None
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": move.propagation}
        await self._insisting("DELETE", move.resource.path(move.namespace, move.name), body=body)
        self._watchman.acknowledged[_name(move)] = None
        if _key(move.resource) == "core/namespaces":
            for resource, namespace, name in self._watchman.acknowledged:
                if namespace == move.name:
                    self._watchman.acknowledged[resource, namespace, name] = None

    async def _release(self, move: Release) -> None:
        self._tell(deed(move))

        def without(found: Json) -> Json:
            kept = [each for each in found["metadata"].get("finalizers") or () if each != move.finalizer]
            return {"metadata": {"finalizers": kept}}

        await self._edit(move.resource, move.namespace, move.name, without)

    async def _evict(self, move: Evict) -> None:
        pods = [pod for pod in self._watchman.world.all("core/pods") if labelled(pod, {"app": move.app})]
        if not pods:
            return
        name = pods[move.number % len(pods)]["metadata"]["name"]
        error = await self._ask_to_go(name, move.namespace)
        told = "evicts" if error is None else "is not allowed to evict"
        self._tell(f"the user {told} Pod {name}" + (f": {error}" if error is not None else ""))

    async def _insisting(self, verb: Verb, path: str, **more: Any) -> Answer | None:
        """The answer, after as many tries as it takes; None where what is asked about is not there, or where a
        namespace that goes takes nothing new."""
        error: ApiError | None = None
        for _ in range(TRIES):
            try:
                return await self._rest.transport.request(verb, path, **more)
            except (NotFound, Forbidden):
                return None
            except ApiError as refused:
                error = refused
                if isinstance(refused, Conflict) and verb == "POST":
                    return None
                await self._env.sleep(PAUSE)
        self._watchman.violations.append(f"{verb} {path} was never answered: {error}")
        return None

    # What goes wrong.

    async def _trouble(self, move: Trouble) -> None:
        simulation = self._simulation
        match move.what:
            case "silence" if simulation.has(move.target):
                self._tell(deed(move))
                simulation.silence(move.target)
                await self._env.sleep(move.seconds)
                self._revive(move.target)
            case "crash" if simulation.has(move.target):
                await self._crash(move)
            case "remove" if simulation.has(move.target):
                self._tell(deed(move))
                simulation.lose(move.target)
                await self._insisting("DELETE", NODES.path("", move.target))
                await self._env.sleep(move.seconds)
                self._revive(move.target)
            case "server" if simulation.server.ready:
                self._tell(deed(move))
                await simulation.restart_server(move.seconds)
                self._tell("the API server is back")
            case "jump":
                self._tell(deed(move))
                simulation.env.jump(move.seconds)
            case "taint" | "expel" | "cordon":
                await self._repel(move, self._env.sleep(move.seconds))
            case "drain":
                await self._repel(move, self._drained(move))

    async def _crash(self, move: Trouble) -> None:
        """Between two of its writes, at the latest when the plan is over."""
        crashed = self._simulation.crash(move.target, move.writes)
        if await crashed:
            self._tell(deed(move))
            await self._env.sleep(move.seconds)
            self._revive(move.target)

    def _revive(self, component: str) -> None:
        simulation = self._simulation
        if simulation.has(component):
            return
        self._tell(f"{component} is back")
        simulation.start(component)

    async def _repel(self, move: Trouble, meanwhile: Awaitable[None]) -> None:
        self._tell(deed(move))
        await self._mark(move, there=True)
        await meanwhile
        self._tell(f"{move.target} takes Pods again")
        await self._mark(move, there=False)

    async def _drained(self, move: Trouble) -> None:
        """Whoever may be evicted is, again and again; what a DaemonSet put there stays."""
        until = self._env.monotonic() + move.seconds
        while self._env.monotonic() < until:
            for pod in self._watchman.world.all("core/pods"):
                there = pod["spec"].get("nodeName") == move.target and active(pod)
                if there and controller_of(pod).get("kind") != "DaemonSet":
                    await self._ask_to_go(pod["metadata"]["name"], pod["metadata"]["namespace"])
            await self._env.sleep(AGAIN)

    async def _ask_to_go(self, name: str, namespace: str) -> ApiError | None:
        metadata = {"name": name, "namespace": namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        try:
            await self._rest.create(PODS, namespace, eviction, name=name, subresource="eviction")
        except ApiError as error:
            return error
        return None

    async def _mark(self, move: Trouble, *, there: bool) -> None:
        def marked(node: Json) -> Json:
            if move.what in ("cordon", "drain"):
                return {"spec": {"unschedulable": there or None}}
            effect = "NoExecute" if move.what == "expel" else "NoSchedule"
            taint = {"key": SIMULATED, "effect": effect}
            others = [each for each in node["spec"].get("taints") or () if not same_taint(each, taint)]
            return {"spec": {"taints": others + [taint] * there}}

        await self._edit(NODES, "", move.target, marked)

    async def _edit(self, resource: Resource, namespace: str, name: str, change: Callable[[Json], Json]) -> None:
        """As kubectl does: what is there is read, and written only if it still is."""
        for _ in range(TRIES):
            try:
                found = (await self._rest.get(resource, namespace, name)).object
                patch = change(found)
                revision = {"resourceVersion": found["metadata"]["resourceVersion"]}
                body = patch | {"metadata": patch.get("metadata", {}) | revision}
                await self._rest.patch(resource, namespace, name, body)
                return
            except NotFound:
                return
            except ApiError:
                await self._env.sleep(PAUSE)


def _name(move: Create | Change | Delete) -> Name:
    return _key(move.resource), move.namespace, move.name


def _key(resource: Resource) -> str:
    return f"{resource.group or 'core'}/{resource.plural}"
