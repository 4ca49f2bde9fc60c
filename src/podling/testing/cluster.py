"""`Cluster()`: an API server with all controllers, the scheduler and simulated nodes, inside a test.

Deployments roll out, Jobs end, garbage is collected, namespaces go; Pods become Ready on real kubelets over a runtime
in which no process runs. How containers of an image behave (how long a pull takes, when and how they end) is declared
as a `Course`. Nothing here needs root, and nothing pretends: nodes and Pods say that they are simulated.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from typing import Literal

from podling.api.objects import Object
from podling.api.schema import load
from podling.apiserver.config import AuthorizationMode
from podling.client.informer import Informer
from podling.client.resources import NODES, SERVICEACCOUNTS, STORAGECLASSES
from podling.controllermanager.manager import ControllerManager, find_controllers
from podling.controllermanager.served import served_by
from podling.env import Env
from podling.kubelet.config import KubeletConfig
from podling.kubelet.kubelet import Kubelet
from podling.network.dialer import Dialer
from podling.network.unixdialer import RefusingDialer
from podling.pki.tokens import TokenSigner
from podling.reconcile.hostpathvolumes import STANDARD
from podling.reconcile.view import Settings
from podling.runtime.fake import Course, FakeRuntime
from podling.runtime.images.names import parse
from podling.scheduler.scheduler import Scheduler
from podling.supervise import Supervisor
from podling.testing.apiserver import ApiServer

MANAGER, SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
SIMULATED = "the node is simulated (podling.testing): nothing runs behind this address"
LABELS = {"podling/simulated": "true"}
PATIENCE = 30.0
ATTEMPTS = 100
CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110"}
AT_ONCE = Course(pull=0.0, create=0.0, start=0.0, stop=0.0)
"""A container that is there as soon as it is wanted, and runs until it is stopped."""
find_controllers()


class Cluster(ApiServer):
    """`with Cluster() as cluster:` or `async with Cluster() as cluster:`; entered when its nodes are Ready and Pods
    may be made in the namespace default.

    `nodes`: how many, named node-1, node-2 …; `capacity`: what each has. `courses`: how containers behave, by image
    name as Pods have it; `course`: all others.
    """

    def __init__(
        self,
        *,
        nodes: int = 1,
        courses: Mapping[str, Course] | None = None,
        course: Course = AT_ONCE,
        capacity: Mapping[str, str] = CAPACITY,
        profile: Literal["current", "book"] = "current",
        authorization: AuthorizationMode = "RBAC",
        env: Env | None = None,
    ) -> None:
        super().__init__(profile=profile, authorization=authorization, env=env)
        self._nodes, self._capacity = nodes, capacity
        self._courses = {str(parse(image)): each for image, each in (courses or {}).items()}
        self._course = course

    async def _open(self, stack: AsyncExitStack, tasks: Supervisor) -> None:
        await super()._open(stack, tasks)
        folder = tempfile.mkdtemp(prefix="podling-test-")
        stack.push_async_callback(_remove, folder)
        components = await stack.enter_async_context(Supervisor())
        settings = Settings(
            root_ca=self.ca.decode(),
            signer=self._credentials.sign,
            token_signer=TokenSigner(self._credentials.token_key).sign,
            started=self.env.now(),
        )
        manager = ControllerManager(self.transport(MANAGER), self.env, settings, served_by(self.catalog))
        components.start("controller manager", manager.run())
        components.start("scheduler", Scheduler(self.transport(SCHEDULER), self.env, manager.informers).run())
        for number in range(1, self._nodes + 1):
            components.start(f"node-{number}", self._kubelet(f"node-{number}", number, Path(folder)).run())
        await self.client.create(STORAGECLASSES, "", dict(STANDARD))
        await self._usable()

    def _kubelet(self, name: str, number: int, folder: Path) -> Kubelet:
        address = f"172.31.0.{number + 1}"
        runtime = FakeRuntime(
            self.env,
            pods=f"10.244.{number}.0/24",
            node_ip=address,
            courses=self._courses,
            default=self._course,
            sandbox=0.0,
        )
        config = KubeletConfig(name, folder / name, address, capacity=self._capacity, labels=LABELS)
        return Kubelet(config, self.transport(f"system:node:{name}", ("system:nodes",)), runtime, self.env)

    async def _usable(self) -> None:
        """Every node is Ready and schedulable, and Pods of `default` have the account that admission gives them."""
        admin = self.client.transport
        nodes, accounts = (Informer(admin, resource, self.env) for resource in (NODES, SERVICEACCOUNTS))
        async with Supervisor() as watching:
            watching.start("nodes", nodes.run())
            watching.start("accounts", accounts.run())
            async with asyncio.timeout(PATIENCE):
                await nodes.wait_until(lambda: sum(map(_schedulable, nodes.list())) == self._nodes)
                await accounts.wait_until(lambda: accounts.get("default", "default") is not None)

    def _dialer(self) -> Dialer:
        return RefusingDialer(SIMULATED)

    def _acted_on(self) -> frozenset[tuple[str, str]]:
        return _controlled() | {("", "Pod"), ("", "Node"), ("", "Service")}


async def _remove(folder: str) -> None:
    """With patience: a thread of a kubelet that has ended may be about to write its last file."""
    for _ in range(ATTEMPTS):
        try:
            shutil.rmtree(folder)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            return
    shutil.rmtree(folder, ignore_errors=True)


@cache
def _controlled() -> frozenset[tuple[str, str]]:
    """(group, kind) of what the controllers are for."""
    rows = load().resources
    keys = [each.resource for each in find_controllers() if each.resource is not None and not each.aside]
    return frozenset((key.group, rows[f"{key.group}/{key.version}".lstrip("/")][key.plural].kind) for key in keys)


def _schedulable(node: Object) -> bool:
    ready = any(each.type == "Ready" and each.status == "True" for each in node.view.status.conditions)
    return ready and not node.view.spec.taints
