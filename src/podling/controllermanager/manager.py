"""All controllers of this release, found by scanning their folder, on one set of informers."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Sequence

import podling.controllers
from podling.client.informer import Informers
from podling.client.transport import Transport
from podling.controllermanager.aggregated import AggregatedResources
from podling.controllermanager.customresources import CustomResources
from podling.controllermanager.doer import Journal
from podling.controllermanager.runner import Runner
from podling.env import Env
from podling.reconcile.controller import Controller
from podling.reconcile.view import Served, ServedResources, Settings
from podling.supervise import Supervisor


def find_controllers() -> tuple[Controller, ...]:
    """The constant `CONTROLLER` of every file in `controllers/`, in order of file names."""
    names = sorted(module.name for module in pkgutil.iter_modules(podling.controllers.__path__))
    modules = [importlib.import_module(f"podling.controllers.{name}") for name in names]
    return tuple(module.CONTROLLER for module in modules if hasattr(module, "CONTROLLER"))


class ControllerManager:
    """`run` until cancelled. `served` is what discovery says: resources that can be listed, watched and deleted.

    The transport's identity needs the rights of all controllers (`system:kube-controller-manager`).
    """

    def __init__(
        self,
        transport: Transport,
        env: Env,
        settings: Settings,
        served: Iterable[Served],
        *,
        controllers: Sequence[Controller] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.informers = Informers(transport, env)
        known = ServedResources(served)
        chosen = find_controllers() if controllers is None else tuple(controllers)
        self.runners = tuple(
            Runner(controller, self.informers, transport, env, settings, known, journal) for controller in chosen
        )
        self._custom = CustomResources(self.informers, known, self.runners)
        self._aggregated = AggregatedResources(self.informers, known, self.runners, transport, env)
        self._names = tuple(controller.name for controller in chosen)

    async def run(self) -> None:
        """For ever; returns only by cancellation, raises what a runner could not survive."""
        async with Supervisor() as tasks:
            tasks.start("informers", self.informers.run())
            self._custom.listen(tasks)
            self._aggregated.listen(tasks)
            for name, runner in zip(self._names, self.runners, strict=True):
                tasks.start(f"controller {name}", runner.run())
            await tasks.wait()

    @property
    def idle(self) -> bool:
        """No controller has anything to do."""
        return all(runner.idle for runner in self.runners)
