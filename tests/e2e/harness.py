"""A real cluster for a test: the command line, kubectl, and waiting for what must come.

Everything is used as a user would: processes, sockets, exit codes. Each cluster has its own state folder and
kubeconfig, so that tests touch nothing of the machine's user.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BIN = Path(sys.executable).parent
EXAMPLE = Path(__file__).parents[2] / "examples" / "01-go-demo-2"


class Failed(AssertionError):
    """A command that had to work did not."""


class Result:
    """What a command printed, and its exit code."""

    def __init__(self, words: tuple[str, ...], done: subprocess.CompletedProcess[str], seconds: float) -> None:
        self.words, self.code, self.seconds = words, done.returncode, seconds
        self.out, self.err = done.stdout, done.stderr

    def ok(self) -> Self:
        if self.code:
            raise Failed(f"{' '.join(self.words)} ended with {self.code}\n{self.out}{self.err}")
        return self


def run(*words: str, env: Mapping[str, str] | None = None, stdin: str | None = None, timeout: float = 120) -> Result:
    began = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, env=env, input=stdin, check=False)
    return Result(words, done, time.monotonic() - began)


def eventually(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of `look`; raises Failed when none came in time."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return answer


class Cluster:
    """`with Cluster(root, "name") as cluster:` starts it and deletes it again."""

    def __init__(self, root: Path, name: str = "podling", **options: str) -> None:
        self.root, self.name = root, name
        self.options = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
        self.env = os.environ | {"PODLING_STATE": str(root), "KUBECONFIG": str(root.parent / f"{name}.kubeconfig")}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            sys.stderr.write(self.podling("logs", "-n", "40").out)
        self.delete()

    def start(self) -> Result:
        return self.podling("start", *self.options).ok()

    def delete(self) -> Result:
        return self.podling("delete").ok()

    def podling(self, *words: str, timeout: float = 120) -> Result:
        """`podling COMMAND --name NAME …`."""
        command, *rest = words
        name = [] if command in ("image", "doctor") else ["--name", self.name]
        return run(str(BIN / "podling"), command, *name, *rest, env=self.env, timeout=timeout)

    def kubectl(self, *words: str, stdin: str | None = None, timeout: float = 60) -> Result:
        return run(str(BIN / "kubectl"), *words, env=self.env, stdin=stdin, timeout=timeout)

    def json(self, *words: str) -> Any:
        return json.loads(self.kubectl(*words, "-o", "json").ok().out)

    def status(self) -> Any:
        """`podling status -o json`."""
        return json.loads(self.podling("status", "-o", "json").ok().out)

    def create(self, *objects: Mapping[str, Any]) -> Result:
        """kubectl create of a list of objects, which must work."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.kubectl("create", "-f", "-", stdin=json.dumps(listed)).ok()

    def pods(self, selector: str = "") -> list[Any]:
        words = ("-l", selector) if selector else ()
        found: list[Any] = self.json("get", "pods", *words)["items"]
        return found

    def wait_ready(self, *names: str, seconds: float = 60) -> None:
        """Until the named Pods (or the selected ones, `-l x=y`) are ready."""
        self.kubectl(
            "wait", "--for=condition=Ready", f"--timeout={seconds:.0f}s", "pod", *names, timeout=seconds + 10
        ).ok()

    def containers(self, prefix: str = "") -> list[Any]:
        """The running containers of the Pods whose names begin so: pod, container, pid."""
        return [each for each in self.status()["containers"] if each["pod"].startswith(prefix) and each["pid"]]

    def build_images(self, work: Path) -> None:
        """The two images of the walkthrough."""
        for image, folder in (("mongo:3.3", "db"), ("vfarcic/go-demo-2", "api")):
            context = work / folder
            context.mkdir(parents=True)
            for file in (EXAMPLE / folder).iterdir():
                if file.is_file():
                    (context / file.name).write_bytes(file.read_bytes())
            pip = (sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target")
            run(*pip, str(context / "wheels"), "-r", str(context / "requirements.txt"), timeout=300).ok()
            self.podling("image", "build", "--tag", image, str(context)).ok()

    def build_host_image(self, work: Path, name: str = "host:1") -> str:
        """An image of this machine's own files, for Pods of `sleep`, `sh` and Python."""
        context = work / "host"
        context.mkdir(parents=True, exist_ok=True)
        (context / "Containerfile").write_text('FROM host\nCMD ["sleep", "infinity"]\n')
        self.podling("image", "build", "--tag", name, str(context)).ok()
        return name


def bound(taken: socket.socket, address: str) -> bool:
    """Whether the API's port at an address is ours from now on; False while another has it."""
    try:
        taken.bind((address, 6443))
    except OSError:
        return False
    return True


def pod(name: str, *command: str, image: str = "host:1", **spec: Any) -> dict[str, Any]:
    """A Pod with one container called `c`; keys of the container go to `container={…}`."""
    container = {"name": "c", "image": image, **({"command": list(command)} if command else {})}
    container |= spec.pop("container", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }
