"""Pods that run `asked.py`, and what they were asked by their log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conformance.containers.pods import log, pod
from tests.conformance.kube import Json, Kube, eventually

_SOURCE = Path(__file__).with_name("asked.py").read_text()
PORT = 8080
LINGERS = "trap 'exit 0' TERM; sleep 600 & wait"
"""Until it is asked to end, and then at once."""


def serving(name: str, *words: str, **spec: object) -> Json:
    """A Pod whose container serves as these words say, and starts again whenever it ends."""
    extra = spec.pop("container", {})
    assert isinstance(extra, dict)
    container = {"command": ["python3", "-c", _SOURCE, *words], **extra}
    return pod(name, "", container=container, restartPolicy="Always", **spec)


@contextmanager
def namespace_for_all(kube: Kube) -> Iterator[str]:
    """One namespace for the tests of a module; it is deleted afterwards, without waiting."""
    name: str = kube.at("v1/namespaces").create({"metadata": {"generateName": "conformance-"}})["metadata"]["name"]
    kube.at("v1/serviceaccounts", name).settled(lambda found: found)
    yield name
    kube.at("v1/namespaces").delete(name)


def asked(kube: Kube, namespace: str, name: str) -> list[str]:
    """What the container that runs now was asked so far, in order."""
    return log(kube, namespace, name).splitlines()


class Listener:
    """A Pod that anybody may call; it is there as soon as this is made."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace
        pods = kube.at("v1/pods", namespace)
        pods.create(serving("listener", "http"))
        path = f"{pods.path}/listener:{PORT}/proxy/first"
        eventually(lambda: kube.raw("GET", path).status_code == 200, lambda: pods.get("listener")["status"])
        self.ip: str = pods.get("listener")["status"]["podIP"]

    def heard(self, line: str) -> int:
        """How often it was asked just this."""
        return asked(self._kube, self._namespace, "listener").count(line)

    def hears(self, line: str) -> None:
        """Waits until it was asked just this."""
        eventually(lambda: self.heard(line), lambda: asked(self._kube, self._namespace, "listener"))
