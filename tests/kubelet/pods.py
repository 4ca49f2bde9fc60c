"""Pods and runs for tests, said in few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.kubelet.podstate import Attempt, PodState
from podling.runtime.interface import Sandbox

SANDBOX = Sandbox("sandbox", "uid-1", "default", "web", "10.244.0.5", True)
UP = PodState(sandbox=SANDBOX)
NOW = 1_700_000_000.0


def pod(spec: Mapping[str, Any] | None = None, *, status: Mapping[str, Any] | None = None, **metadata: Any) -> Pod:
    """A Pod `default/web` with one container `main` unless `spec` says otherwise."""
    meta = {"name": "web", "namespace": "default", "uid": "uid-1", "generation": 1, **metadata}
    whole = {"containers": [{"name": "main", "image": "app"}], "restartPolicy": "Always", **(spec or {})}
    return msgspec.convert({"metadata": meta, "spec": whole, "status": status or {}}, Pod)


def run(name: str = "main", number: int = 0, **fields: Any) -> Attempt:
    """A run that began 100 s ago and still runs."""
    given = {
        "state": "running",
        "id": f"{name}-{number}",
        "sandbox": SANDBOX.id,
        "spec_image": "app",
        "image": "docker.io/library/app:latest",
        "image_id": "sha256:1",
        "created_at": NOW - 100,
        "started_at": NOW - 100,
        **fields,
    }
    return Attempt(name=name, number=number, **given)


def ended(name: str = "main", number: int = 0, code: int = 0, ago: float = 0.0, **fields: Any) -> Attempt:
    """A run that ended `ago` seconds before NOW."""
    reason = "Error" if code else "Completed"
    return run(
        name, number, **{"state": "exited", "exit_code": code, "finished_at": NOW - ago, "reason": reason, **fields}
    )


def having(*runs: Attempt, state: PodState = UP) -> PodState:
    for one in runs:
        state = state.with_attempt(one)
    return state
