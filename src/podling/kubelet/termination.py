"""What a container said last: its termination message file, or the end of its log.

(Kubernetes documentation, "Determine the Reason for Pod Failure".)
"""

from __future__ import annotations

from pathlib import Path

from podling.kubelet.podstate import AnyContainer
from podling.wire.cri_log import parse

MOST_FILE = 4096
MOST_LOG = 2048
MOST_LINES = 80
READ_BACK = 64 << 10


def prepare(path: Path) -> None:
    """Make the empty file that is mounted into the container; anybody inside may write it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(0o666)


def message(container: AnyContainer, path: Path, log: str, exit_code: int) -> str:
    """The termination message of a run that ended; empty if it left none."""
    try:
        with path.open("rb") as file:
            said = file.read(MOST_FILE).decode("utf-8", "replace")
    except OSError:
        said = ""
    if said or not exit_code or container.termination_message_policy != "FallbackToLogsOnError":
        return said
    return _end_of_log(log)


def _end_of_log(path: str) -> str:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - READ_BACK, 0))
            data = file.read()
    except OSError:
        return ""
    lines = [line.text for line in parse(data)][-MOST_LINES:]
    return b"".join(lines)[-MOST_LOG:].decode("utf-8", "replace")
