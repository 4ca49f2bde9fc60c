"""One real cluster for the behaviours that need a process inside a container: crun, nftables, DNS.

The fixtures `kube` and `namespace` mean this cluster here; `cluster` adds the command line of Podling and kubectl.
Everything that lies in this folder is marked `real` and needs root, crun and nftables.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conformance.containers.asking import namespace_for_all
from tests.conformance.containers.probed import Probed
from tests.conformance.kube import Kube, eventually
from tests.e2e.harness import Cluster

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Started once for the whole folder; the image `host:1` holds this machine's own files."""
    folder = tmp_path_factory.mktemp("conformance")
    # Control groups are found by names alone: two runs on one machine must not be each other's.
    with Cluster(folder / "state", f"conformance-{os.getpid()}") as started:
        started.build_host_image(folder)
        yield started


@pytest.fixture(scope="session")
def kube(cluster: Cluster) -> Iterator[Kube]:
    """The administrator, once the node is ready."""
    config = yaml.safe_load(Path(cluster.env["KUBECONFIG"]).read_text())
    found, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(found["certificate-authority-data"]).decode())
    pair = cluster.root / "administrator.pem"
    pair.write_bytes(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
    context.load_cert_chain(pair)
    with httpx.Client(base_url=found["server"], verify=context, timeout=30) as client:
        admin = Kube(client)
        eventually(lambda: admin.at("v1/nodes").items())
        yield admin


@pytest.fixture(scope="module", params=["nftables", "userspace"])
def proxy_mode(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Tests that ask for it run once in each proxy mode of the cluster."""
    name = str(request.param)
    cluster.podling("proxy-mode", name).ok()
    yield name
    cluster.podling("proxy-mode", "nftables").ok()


@pytest.fixture(scope="session")
def probed(kube: Kube) -> Iterator[Probed]:
    """Pods with probes, made long before their tests look at them."""
    with namespace_for_all(kube) as namespace:
        yield Probed(kube, namespace)


@pytest.fixture(scope="session", autouse=True)
def _early(request: pytest.FixtureRequest) -> None:
    """What is mostly waited for begins before the first test, where any test wants it."""
    if any("probed" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("probed")
