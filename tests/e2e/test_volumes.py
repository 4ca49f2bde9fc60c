"""What the node mounts for volumes: it goes with its Pod whoever dies meanwhile, and takes nothing along."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Cluster, eventually, pod

pytestmark = pytest.mark.real
MIB = 1 << 20
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module", autouse=True)
def _secret(cluster: Cluster) -> None:
    cluster.create(secret("keys", password=PASSWORD))


def secret(name: str, **values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def holding(name: str, **resources: Any) -> dict[str, Any]:
    """A Pod with the secret, a volume in memory without and one with a limit."""
    sources = {
        "keys": {"secret": {"secretName": "keys"}},
        "free": {"emptyDir": {"medium": "Memory"}},
        "small": {"emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}},
    }
    mounts = [{"name": each, "mountPath": f"/{each}"} for each in sources]
    volumes = [{"name": each, **source} for each, source in sources.items()]
    return pod(name, "sleep", "infinity", container={"volumeMounts": mounts, **resources}, volumes=volumes)


def mounted(cluster: Cluster, uid: str, process: str = "") -> set[str]:
    """The volumes of a Pod that are file systems of their own, as the keeper sees it or another process."""
    found = json.loads(cluster.podling("status", "-o", "json").out)["keeper"]["pid"]
    table = Path(f"/proc/{process or found}/mountinfo").read_text()
    places = [line.split()[4] for line in table.splitlines() if " - tmpfs " in line]
    return {Path(place).name.split("-")[0] for place in places if f"/pods/{uid}/volumes/" in place}


@pytest.fixture
def uid(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """Of a running Pod called `box` that holds all these volumes."""
    cluster.create(holding("box"))
    request.addfinalizer(lambda: cluster.kubectl("delete", "pod", "box", "--now", "--ignore-not-found", "--wait=false"))
    cluster.wait_ready("box")
    found: str = cluster.json("get", "pod", "box")["metadata"]["uid"]
    return found


def inside(cluster: Cluster, *words: str) -> str:
    return cluster.kubectl("exec", "box", "--", *words).ok().out.strip()


def gone(cluster: Cluster, uid: str) -> None:
    folder = next(cluster.root.glob("clusters/*/nodes/*")) / "pods" / uid
    eventually(lambda: not mounted(cluster, uid) and not folder.exists(), 10, "nothing of the Pod is left")


def killed(cluster: Cluster) -> None:
    """SIGKILL for the node process, and before it for its warden: nobody brings it back before somebody starts it."""
    (note,) = cluster.root.glob("clusters/*/nodes/*/warden.pid")
    for pid in (int(note.read_text().split()[0]), cluster.status()["node"]["pid"]):
        os.kill(pid, signal.SIGKILL)


def test_what_is_secret_is_in_memory_and_only_the_node_sees_it(cluster: Cluster, uid: str) -> None:
    assert mounted(cluster, uid) == {"keys", "free", "small", "kube"}
    assert mounted(cluster, uid, "self") == set()
    assert inside(cluster, "cat", "/keys/password") == PASSWORD
    files = [path for path in cluster.root.glob("clusters/*/nodes/*/pods/**/*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]


def test_a_volume_in_memory_is_as_large_as_it_may_be(cluster: Cluster) -> None:
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    cluster.create(holding("limited", **limits))
    cluster.wait_ready("limited")
    sizes = cluster.kubectl("exec", "limited", "--", "df", "-B1", "--output=size", "/free", "/small").ok().out.split()
    assert sizes[1:] == [str(64 * MIB), str(2 * MIB)]
    cluster.kubectl("delete", "pod", "limited", "--now").ok()


def test_volumes_go_with_their_pod(cluster: Cluster, uid: str) -> None:
    cluster.kubectl("delete", "pod", "box", "--now").ok()
    gone(cluster, uid)


def _patch(cluster: Cluster) -> None:
    value = base64.b64encode(b"changed").decode()
    cluster.kubectl("patch", "secret", "keys", "-p", f'{{"data": {{"password": "{value}"}}}}').ok()


def _delete(cluster: Cluster) -> None:
    cluster.kubectl("delete", "pod", "box", "--now", "--wait=false").ok()


@pytest.mark.parametrize("meanwhile", [_patch, _delete], ids=["changed", "deleted"])
def test_a_node_process_that_was_killed_leaves_them_to_the_next(
    cluster: Cluster, uid: str, meanwhile: Callable[[Cluster], None]
) -> None:
    inside(cluster, "sh", "-c", "echo kept > /free/file")
    killed(cluster)
    meanwhile(cluster)
    assert mounted(cluster, uid) == {"keys", "free", "small", "kube"}
    cluster.start()
    if meanwhile is _delete:
        gone(cluster, uid)
        return
    eventually(lambda: inside(cluster, "cat", "/keys/password") == "changed", 10, "the change is seen")
    assert inside(cluster, "cat", "/free/file") == "kept"
    _delete(cluster)
    gone(cluster, uid)


# Parts of volumes


def parted(folder: Path) -> dict[str, Any]:
    """A Pod that sees one file of a ConfigMap and one folder of the machine, and ends when it is asked to."""
    mounts = [
        {"name": "open", "mountPath": "/sub/file", "subPath": "file"},
        {"name": "host", "mountPath": "/host", "subPath": "inner"},
    ]
    volumes = [{"name": "open", "configMap": {"name": "open"}}, {"name": "host", "hostPath": {"path": str(folder)}}]
    script = "cat /sub/file >> /host/seen; until [ -e /host/end ]; do sleep 0.05; done; rm /host/end"
    return pod("parted", "sh", "-c", script, container={"volumeMounts": mounts}, volumes=volumes)


def test_parts_of_volumes_are_looked_up_at_each_start_and_let_go_with_the_pod(cluster: Cluster, work: Path) -> None:
    open_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "open"}, "data": {"file": "first;"}}
    cluster.create(open_, parted(work))
    cluster.wait_ready("parted")
    seen = work / "inner" / "seen"
    eventually(lambda: seen.exists() and seen.read_text() == "first;", 10, "the first start saw the file")
    uid = cluster.json("get", "pod", "parted")["metadata"]["uid"]
    assert len(held(cluster, uid)) == 2
    cluster.kubectl("patch", "configmap", "open", "-p", '{"data": {"file": "second;"}}').ok()
    (work / "inner" / "end").touch()
    eventually(lambda: seen.read_text() == "first;second;", 20, "the second start saw the new one")
    assert len(held(cluster, uid)) == 2
    cluster.kubectl("delete", "pod", "parted", "--now").ok()
    eventually(lambda: not held(cluster, uid), 10, "no part is held")
    assert not list(cluster.root.glob("clusters/*/nodes/*/parts/*"))
    assert seen.read_text() == "first;second;", "what is the machine's own stays"


def held(cluster: Cluster, uid: str) -> list[str]:
    """Where parts of this Pod's volumes are mounted."""
    keeper = json.loads(cluster.podling("status", "-o", "json").out)["keeper"]["pid"]
    places = [line.split()[4] for line in Path(f"/proc/{keeper}/mountinfo").read_text().splitlines()]
    return [place for place in places if f"/parts/{uid}/" in place]
