"""Those who act on a history's cluster: users who insist until they are answered, and whoever brings the troubles.

Every deed is told to the story, and what was acknowledged to the watchman, who looks that it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podling.api.errors import ApiError, Conflict, Forbidden, NotFound
from podling.client.resources import NODES, PODS
from podling.client.transport import Answer, Resource, Verb
from podling.testing.exploration.plan import Change, Create, Delete, Evict, Move, Trouble
from podling.testing.exploration.sentences import deed
from podling.testing.exploration.watchman import Name, Watchman
from podling.testing.exploration.world import labelled
from podling.testing.simulation import Simulation

Json = dict[str, Any]
MERGE = "application/merge-patch+json"
TRIES, PAUSE = 40, 0.5
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
            case Evict():
                await self._evict(move)
            case Trouble():
                await self._trouble(move)

    # What users do, until it is acknowledged or refused for good.

    async def _create(self, move: Create) -> None:
        self._tell(deed(move))
        answer = await self._insisting("POST", move.resource.path(move.namespace), body=move.body)
        if answer is not None:
            self._watchman.acknowledged[_name(move)] = dict(move.body.get("spec", {}))

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
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": move.propagation}
        await self._insisting("DELETE", move.resource.path(move.namespace, move.name), body=body)
        self._watchman.acknowledged[_name(move)] = None
        if _key(move.resource) == "core/namespaces":
            for resource, namespace, name in self._watchman.acknowledged:
                if namespace == move.name:
                    self._watchman.acknowledged[resource, namespace, name] = None

    async def _evict(self, move: Evict) -> None:
        pods = [pod for pod in self._watchman.world.all("core/pods") if labelled(pod, {"app": move.app})]
        if not pods:
            return
        name = pods[move.number % len(pods)]["metadata"]["name"]
        metadata = {"name": name, "namespace": move.namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        try:
            await self._rest.create(PODS, move.namespace, eviction, name=name, subresource="eviction")
            self._tell(f"the user evicts Pod {name}")
        except ApiError as error:
            self._tell(f"the user is not allowed to evict Pod {name}: {error}")

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
            case "taint" | "cordon":
                await self._repel(move)

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

    async def _repel(self, move: Trouble) -> None:
        self._tell(deed(move))
        await self._mark(move, there=True)
        await self._env.sleep(move.seconds)
        self._tell(f"{move.target} takes Pods again")
        await self._mark(move, there=False)

    async def _mark(self, move: Trouble, *, there: bool) -> None:
        """As kubectl does: what is there is read, and written only if it still is."""
        for _ in range(TRIES):
            try:
                node = (await self._rest.get(NODES, "", move.target)).object
                spec: Json = {"unschedulable": there or None}
                if move.what == "taint":
                    others = [each for each in node["spec"].get("taints") or () if each["key"] != SIMULATED]
                    spec = {"taints": others + [{"key": SIMULATED, "effect": "NoSchedule"}] * there}
                metadata = {"resourceVersion": node["metadata"]["resourceVersion"]}
                await self._rest.patch(NODES, "", move.target, {"metadata": metadata, "spec": spec})
                return
            except NotFound:
                return
            except ApiError:
                await self._env.sleep(PAUSE)


def _name(move: Create | Change | Delete) -> Name:
    return _key(move.resource), move.namespace, move.name


def _key(resource: Resource) -> str:
    return f"{resource.group or 'core'}/{resource.plural}"
