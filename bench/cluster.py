"""A cluster to be measured: `podling start` in a folder of its own, and kubectl beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BIN = Path(sys.executable).parent


class Measured:
    """`with Measured(folder) as cluster:` — started on entering, deleted on leaving."""

    def __init__(self, folder: Path, name: str = "bench", *options: str) -> None:
        self.name, self.options = name, options
        self.kubeconfig = folder / "kubeconfig"
        self.env = os.environ | {"PODLING_STATE": str(folder / "state"), "KUBECONFIG": str(self.kubeconfig)}
        self.start_seconds = 0.0

    def __enter__(self) -> Self:
        began = time.monotonic()
        self.podling("start", "--name", self.name, *self.options)
        self.start_seconds = time.monotonic() - began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.podling("delete", "--name", self.name)

    def podling(self, *words: str) -> str:
        return self._run(str(BIN / "podling"), *words)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return self._run(str(BIN / "kubectl"), *words, stdin=stdin)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.podling("status", "--name", self.name, "-o", "json"))
        return answer

    def pids(self) -> dict[str, int]:
        """server, node, keeper, warden."""
        status = self.status()
        return {name: status[name]["pid"] for name in ("server", "node", "keeper", "warden")}

    def build_host_image(self, folder: Path) -> None:
        context = folder / "host"
        context.mkdir(exist_ok=True)
        (context / "Containerfile").write_text('FROM host\nCMD ["sleep", "infinity"]\n')
        self.podling("image", "build", "--tag", "host:1", str(context))

    def _run(self, *words: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            words, capture_output=True, text=True, env=self.env, input=stdin, timeout=300, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout
