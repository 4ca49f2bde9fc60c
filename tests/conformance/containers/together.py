"""Pods that begin at once and look around while tests are still about others: what they wrote is read when it is asked.

A test that starts its own Pod waits a quarter of a second for it; thirty that begin together take little more than
one. So a module of many small looks declares all its Pods and asks for each one's log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.conformance.containers.asking import namespace_for_all
from tests.conformance.containers.pods import log
from tests.conformance.kube import Json, Kube, eventually

WATCHER = r"""
import json, os, sys, time

def state():
    for top in sys.argv[1:]:
        if os.path.isfile(top):
            yield top, open(top).read()
        for folder, folders, files in os.walk(top, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith(".."))
            for name in sorted(files):
                path = os.path.join(folder, name)
                yield path, open(path).read()

shown = None
while True:
    try:
        now = dict(state())
    except OSError:
        now = shown  # it changed while it was read
    if now != shown:
        shown = now
        print(json.dumps(now), flush=True)
    time.sleep(0.05)
"""
"""Writes {path: content} of all files below its arguments, and again whenever that has changed."""


def look(*paths: str) -> str:
    """A script that writes for each file `<path> <mode> <user>:<group>`, and its content."""
    return "; ".join(f"stat -L -c '%n %a %u:%g' {path}; cat {path}; echo" for path in paths)


def watching(*tops: str) -> Json:
    """A container's command that runs WATCHER."""
    return {"command": ["python3", "-c", WATCHER, *tops]}


class Together:
    """Pods by name, all in one namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube, self.namespace = kube, namespace
        self._pods = kube.at("v1/pods", namespace)

    def said(self, name: str, container: str = "c") -> list[str]:
        """The lines of a Pod that has ended, and ended well."""
        done = self._pods.until(name, lambda found: found["status"].get("phase") in ("Succeeded", "Failed"))
        text = log(self.kube, self.namespace, name, container)
        assert done["status"]["phase"] == "Succeeded", text
        return text.splitlines()

    def history(self, name: str, until: Any) -> list[Any]:
        """All that a watching Pod saw, up to what the condition holds for."""
        seen: list[Any] = []

        def came() -> bool:
            answer = self.kube.raw("GET", f"{self._pods.path}/{name}/log")
            seen[:] = [json.loads(line) for line in answer.text.splitlines()] if answer.status_code == 200 else []
            return any(until(each) for each in seen)

        eventually(came, lambda: (log(self.kube, self.namespace, name), self._pods.get(name)["status"]))
        return seen

    def sees(self, name: str, wanted: Json) -> None:
        """Waits until a watching Pod sees just this."""
        self.history(name, lambda seen: seen == wanted)


@contextmanager
def together(kube: Kube, pods: Iterable[Json], objects: Iterable[tuple[str, Json]] = ()) -> Iterator[Together]:
    """`objects` are (resource, body), e.g. ("v1/configmaps", …); they are there before the Pods."""
    with namespace_for_all(kube) as namespace:
        for resource, body in objects:
            kube.at(resource, namespace).create(body)
        for body in pods:
            kube.at("v1/pods", namespace).create(body)
        yield Together(kube, namespace)
