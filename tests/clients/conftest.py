"""One cluster with simulated nodes for all clients, and at the end a line for each client: passed of total."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podling.client.informer import Informer
from podling.client.resources import NAMESPACES, SERVICEACCOUNTS
from podling.runtime.fake import Course, Ending
from podling.supervise import Supervisor
from podling.testing import Cluster
from tests.clients.built import EVERYTHING
from tests.clients.kubectl import Kubectl

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Containers of the image `works` end at once with 0, those of `breaks` with 1, all others run."""
    courses = {"works": Course(endings=(Ending(0.05),)), "breaks": Course(endings=(Ending(0.05, exit_code=1),))}
    with Cluster(nodes=2, courses=courses) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def kubeconfig(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cluster.kubeconfig(tmp_path_factory.mktemp("clients") / "kubeconfig")


@pytest.fixture(scope="session")
def new_namespace(cluster: Cluster) -> Callable[[], str]:
    """Makes a namespace in which Pods may be made; returns its name."""
    numbers = itertools.count(1)

    async def make(name: str) -> None:
        await cluster.client.create(NAMESPACES, "", {"metadata": {"name": name}})
        accounts = Informer(cluster.client.transport, SERVICEACCOUNTS, cluster.env, namespace=name)
        async with Supervisor() as tasks:
            tasks.start("accounts", accounts.run())
            await accounts.wait_until(lambda: accounts.get(name, "default") is not None)

    def named() -> str:
        name = f"client-{next(numbers)}"
        cluster.run(make(name))
        return name

    return named


@pytest.fixture
def namespace(new_namespace: Callable[[], str]) -> str:
    """A namespace of this test's own."""
    return new_namespace()


@pytest.fixture(scope="session")
def seen() -> set[str]:
    """The subcommands of kubectl that worked in this session."""
    return set()


@pytest.fixture
def kubectl(kubeconfig: Path, seen: set[str], namespace: str) -> Kubectl:
    return Kubectl(kubeconfig, seen, namespace)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at the record comes behind what fills it."""
    items.sort(key=lambda item: item.path.name == "test_kubectl_whole.py")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """`make clients`: one line a client."""
    if not EVERYTHING:
        return
    counts: dict[str, list[int]] = {}
    reasons: dict[str, str] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, ()):
            path, _, _ = report.nodeid.partition("::")
            if not (FOLDER.name in path and path.endswith(".py")):
                continue
            client = Path(path).stem.removeprefix("test_").partition("_in_")[0].replace("_", " ")
            client = "kubectl" if client.startswith("kubectl") else client
            passed_total = counts.setdefault(client, [0, 0])
            if outcome == "skipped":
                reasons[client] = report.longrepr[2].removeprefix("Skipped: ")
                continue
            passed_total[0] += outcome == "passed"
            passed_total[1] += 1
    terminalreporter.section("clients")
    for client, (passed, total) in counts.items():
        line = f"{passed} of {total}" if total else "not run"
        terminalreporter.write_line(f"{client:20} {line}" + (f"   ({reasons[client]})" if client in reasons else ""))
    passed, total = (sum(count[at] for count in counts.values()) for at in (0, 1))
    terminalreporter.write_line(f"{'all':20} {passed} of {total}")
