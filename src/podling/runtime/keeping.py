"""What the keeper keeps for a runtime, in the runtime's words: records in, frozen values out."""

from __future__ import annotations

import signal
import socket
from typing import Any

import msgspec

from podling.runtime.interface import Container, Sandbox, SandboxConfig


class Held(msgspec.Struct, frozen=True):
    """What the keeper keeps for us with a sandbox."""

    config: SandboxConfig
    ip: str = ""


def sandbox_of(record: dict[str, Any]) -> Sandbox:
    held = msgspec.convert(record["labels"], Held)
    config = held.config
    # One without an address was being made when its maker died.
    ready = record["ready"] and held.ip != ""
    return Sandbox(config.id, config.pod_uid, config.namespace, config.name, held.ip, ready, config.labels)


def container_of(record: dict[str, Any]) -> Container:
    ours = record["labels"]
    known = {name: record[name] for name in Container.__struct_fields__ if name in record}
    changed = {"pid": record["host_pid"], "name": ours["name"], "image": ours["image"], "labels": ours["labels"]}
    return msgspec.convert(known | changed, Container)


def session_of(fd: int) -> socket.socket:
    session = socket.socket(fileno=fd)
    session.setblocking(False)
    return session


def signal_number(name: str) -> int:
    """`SIGTERM`, `TERM` or a number; the default is SIGTERM, also for what nobody knows."""
    if name.isdigit():
        return int(name)
    try:
        return signal.Signals["SIG" + name.upper().removeprefix("SIG")]
    except KeyError:
        return signal.SIGTERM
