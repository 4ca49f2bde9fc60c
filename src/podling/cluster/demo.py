"""The book's chapter, run for real: what `make demo` and `podling demo` show.

A story told by the programs themselves: every line that begins with `$` is a command that is run, followed by its own
output and the time it took. The cluster is called `demo`, with a kubeconfig of its own, so that nothing of the user's
is touched; whatever happens, it is deleted in the end.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from podling.env import Env

from . import load
from .doctor import kubectl_path

NAME = "demo"
REQUESTS = 1000
DELETE_AFTER = (100, 400, 700)
IMAGES = (("mongo:3.3", "db"), ("vfarcic/go-demo-2", "api"))
MANIFESTS = ("db-rs", "db-svc", "api-rs", "api-svc")
API_PODS = ("-l", "type=api")


class DemoFailed(Exception):
    """Something the chapter promises did not happen."""


def example_folder() -> Path:
    """The example in the installed package, or in the checkout."""
    packaged = Path(__file__).parents[1] / "examples" / "01-go-demo-2"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "examples" / "01-go-demo-2"


class Demo:
    """Runs the story with `say` as its voice; `work` is a scratch folder."""

    def __init__(self, env: Env, say: Callable[[str], None], work: Path) -> None:
        self._env, self._say, self._work = env, say, work
        self._example = example_folder()
        self._environment = os.environ | {
            "KUBECONFIG": str(work / "kubeconfig"),
            "PATH": f"{kubectl_path().parent}:{os.environ.get('PATH', '')}",
        }

    # The chapter

    def run(self) -> None:
        """Raises DemoFailed; the cluster is deleted in any case."""
        try:
            self.build_images()
            self._podling("start", "--name", NAME)
            self.chapter()
            self.frozen_and_killed()
            self.under_load("nftables")
            self._podling("proxy-mode", "--name", NAME, "userspace")
            self.greet()
            self.under_load("userspace")
            self.delete_files()
            self.api_before_database()
            self.one_file()
        finally:
            self._podling("delete", "--name", NAME)

    def build_images(self) -> None:
        """The two images the book's manifests name, from this machine's own files and two wheels."""
        self._title("Two images, so that the book's YAML runs unchanged where no registry can be reached")
        for image, folder in IMAGES:
            context = self._work / folder
            source = self._example / folder
            context.mkdir(parents=True)
            for file in source.iterdir():
                if file.is_file():
                    (context / file.name).write_bytes(file.read_bytes())
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            requirements = str(context / "requirements.txt")
            self._run([*pip, "--target", str(context / "wheels"), "-r", requirements], shown="pip install --target …")
            self._podling("image", "build", "--tag", image, str(context))

    def chapter(self) -> None:
        self._title("The chapter: a database and an API, each a ReplicaSet, talk through Services")
        for name in MANIFESTS:
            self._kubectl("create", "-f", self._manifest(name))
        self._until_ready(4)
        self._kubectl("get", "all")
        self.greet()

    def greet(self) -> None:
        """What the learner sees: the answer through the NodePort."""
        url = f"http://{self._ip()}:{self._port()}/demo/hello"
        answer = self._run(["curl", "-si", url], echo=False) if shutil.which("curl") else _get(url)
        self._say(f"$ curl -i {url}\n{answer}")
        if not answer.startswith("HTTP/1.1 200 OK") or "hello, world!" not in answer:
            raise DemoFailed("the API did not answer through its NodePort")

    def frozen_and_killed(self) -> None:
        """A frozen process loses its place among the endpoints, then its life; a killed one is started again."""
        self._title("A frozen process and a killed one")
        frozen, killed = self._processes("go-demo-2-api")[:2]
        self._say(f"freezing the process of {frozen['pod']} (SIGSTOP to pid {frozen['pid']})")
        began = self._env.monotonic()
        os.kill(frozen["pid"], signal.SIGSTOP)
        self._until(lambda: not self._ready(frozen["pod"]), 20, "the frozen Pod stayed ready")
        self._say(f"it is unready after {self._env.monotonic() - began:.1f} s: its readiness probe failed three times")
        self._kubectl("get", "pods", *API_PODS)
        self._say(f"killing the process of {killed['pod']} (SIGKILL to pid {killed['pid']})")
        again = self._env.monotonic()
        os.kill(killed["pid"], signal.SIGKILL)
        self._until(
            lambda: self._restarts(killed["pod"]) == 1 and self._ready(killed["pod"]), 30, "it was not restarted"
        )
        self._say(f"it was restarted and ready again after {self._env.monotonic() - again:.1f} s")
        self._say("the frozen one: three liveness probes ten seconds apart, then SIGTERM, then SIGKILL after 30 s …")
        self._until(lambda: self._restarts(frozen["pod"]) == 1, 120, "the frozen container was not replaced")
        self._until(lambda: self._ready(frozen["pod"]), 30, "the replaced container did not become ready")
        self._say(f"it was replaced and is ready again after {self._env.monotonic() - began:.1f} s")
        self._kubectl("get", "pods", *API_PODS)

    def under_load(self, mode: str) -> None:
        """From inside the database's Pod, by the Service's name: the way that the proxy mode gives."""
        self._title(f"{REQUESTS:,} requests from a Pod to the Service while Pods are deleted, proxy mode {mode}")
        client = self._names("type=db")[0]
        url = "http://go-demo-2-api:8080/demo/hello"
        script = Path(load.__file__).read_text()
        command = ["kubectl", "exec", client, "--", "python3", "-c", script, url, str(REQUESTS)]
        self._say(f"$ kubectl exec {client} -- python3 -c … {url} {REQUESTS}")
        outcome = None
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self._environment) as sending:
            for line in sending.stdout or ():
                said = load.parse(line)
                if isinstance(said, load.Outcome):
                    outcome = said
                elif said in DELETE_AFTER:
                    self._kubectl("delete", "pod", self._names("type=api")[0], "--wait=false")
        self._say(f"{mode}: {outcome}")
        if outcome is None or (mode == "userspace" and outcome.failed):
            raise DemoFailed("in userspace mode no request may fail")
        self._until_ready(4)

    def delete_files(self) -> None:
        self._title("Everything that was created goes again")
        for name in MANIFESTS:
            self._kubectl("delete", "-f", self._manifest(name))
        self._until(lambda: not self._json("get", "pods")["items"], 60, "Pods were left")
        self._kubectl("get", "all")

    def api_before_database(self) -> None:
        self._title("The API before its database: it ends and is restarted until the database answers")
        for name in ("api-rs", "api-svc", "db-svc"):
            self._kubectl("create", "-f", self._manifest(name))
        self._until(lambda: self._some_restarts() >= 3, 60, "the API was not restarted")
        self._kubectl("get", "pods")
        self._kubectl("create", "-f", self._manifest("db-rs"))
        self._until_ready(4)
        self._kubectl("get", "pods")
        self.greet()
        self.delete_files()

    def one_file(self) -> None:
        self._title("All four objects in one file")
        file = str(self._example / "svc" / "go-demo-2.yml")
        self._kubectl("create", "-f", file)
        self._until_ready(4)
        self.greet()
        self._kubectl("delete", "-f", file)

    # What it asks

    def _manifest(self, name: str) -> str:
        return str(self._example / "svc" / f"go-demo-2-{name}.yml")

    def _ip(self) -> str:
        return self._run([*self._program(), "ip", "--name", NAME], echo=False).strip()

    def _port(self) -> int:
        service = self._json("get", "service", "go-demo-2-api")
        return int(service["spec"]["ports"][0]["nodePort"])

    def _processes(self, owner: str) -> list[dict[str, Any]]:
        """pod and pid of the running containers of a ReplicaSet, from `podling status -o json`."""
        status = json.loads(self._run([*self._program(), "status", "--name", NAME, "-o", "json"], echo=False))
        found = [each for each in status["containers"] if each["pod"].startswith(owner) and each["pid"]]
        if not found:
            raise DemoFailed(f"no container of {owner} runs")
        return sorted(found, key=lambda each: str(each["pod"]))

    def _names(self, selector: str) -> list[str]:
        """Pods that are not on their way out."""
        items = self._json("get", "pods", "-l", selector)["items"]
        return [each["metadata"]["name"] for each in items if not each["metadata"].get("deletionTimestamp")]

    def _pods(self) -> list[dict[str, Any]]:
        return list(self._json("get", "pods")["items"])

    def _pod(self, name: str) -> dict[str, Any]:
        return next((pod for pod in self._pods() if pod["metadata"]["name"] == name), {})

    def _ready(self, name: str) -> bool:
        return is_ready(self._pod(name))

    def _restarts(self, name: str) -> int:
        return restarts(self._pod(name))

    def _some_restarts(self) -> int:
        return sum(restarts(pod) for pod in self._pods())

    def _until_ready(self, count: int) -> None:
        def all_ready() -> bool:
            pods = [pod for pod in self._pods() if not pod["metadata"].get("deletionTimestamp")]
            return len(pods) == count and all(map(is_ready, pods))

        self._until(all_ready, 90, f"{count} Pods did not become ready")

    def _until(self, condition: Callable[[], bool], seconds: float, complaint: str) -> None:
        deadline = self._env.monotonic() + seconds
        while not condition():
            if self._env.monotonic() > deadline:
                raise DemoFailed(complaint)

    # How it asks

    def _title(self, text: str) -> None:
        self._say(f"\n=== {text}\n")

    def _json(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._run(["kubectl", *words, "-o", "json"], echo=False))
        return answer

    def _kubectl(self, *words: str) -> str:
        return self._run(["kubectl", *words])

    def _podling(self, *words: str) -> str:
        return self._run([*self._program(), *words], shown=shlex.join(["podling", *words]))

    def _program(self) -> list[str]:
        return [sys.executable, "-m", "podling.cli.main"]

    def _run(self, words: Sequence[str], *, shown: str = "", echo: bool = True) -> str:
        """Run, show, and insist on success."""
        began = self._env.monotonic()
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=self._environment, check=False)
        if echo:
            text = (shown or shlex.join(words)).replace(f"{self._example}/", "")
            self._say(f"$ {text}    [{self._env.monotonic() - began:.2f} s]\n{done.stdout}{done.stderr}")
        if done.returncode:
            raise DemoFailed(f"{shlex.join(words)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def _get(url: str) -> str:
    """What `curl -si` prints, on a machine that has no curl."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=10) as connection:
        connection.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def restarts(pod: dict[str, Any]) -> int:
    return sum(each["restartCount"] for each in pod.get("status", {}).get("containerStatuses", []))
