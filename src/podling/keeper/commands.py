"""The command lines of an OCI runtime (crun and runc speak the same) and what they leave behind.

Everything transient lies in the keeper's run folder, a tmpfs of its own that is also its working directory: the
path `/proc/1/cwd` reaches it from every child and is short enough for a Unix socket however deep the state lies.
"""

from __future__ import annotations

import json
import os
import socket

HERE = "/proc/1/cwd"


def _global(binary: str, key: str) -> list[str]:
    return [binary, "--root", f"{HERE}/oci", "--log", f"{HERE}/{key}.log", "--log-format", "json"]


def run(binary: str, name: str, key: str, bundle: str, tty: bool) -> list[str]:
    console = ["--console-socket", f"{HERE}/{key}.tty"] if tty else []
    pid_file = f"{HERE}/{key}.pid"
    return [*_global(binary, key), "run", "--detach", "--bundle", bundle, "--pid-file", pid_file, *console, name]


def execute(binary: str, name: str, key: str, tty: bool) -> list[str]:
    """The process to run lies in `<key>.json`."""
    console = ["--tty", "--console-socket", f"{HERE}/{key}.tty"] if tty else []
    files = ["--process", f"{HERE}/{key}.json", "--pid-file", f"{HERE}/{key}.pid"]
    return [*_global(binary, key), "exec", "--detach", *files, *console, name]


def delete(binary: str, name: str, key: str) -> list[str]:
    return [*_global(binary, key), "delete", "--force", name]


class Scratch:
    """The files of one command, removed by `close`. `key` is unique among the running ones."""

    def __init__(self, key: str, tty: bool) -> None:
        self.key = key
        self._console: socket.socket | None = None
        if tty:
            self._console = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._console.bind(f"{key}.tty")
            self._console.listen(1)

    def pid(self) -> int:
        with open(f"{self.key}.pid", encoding="ascii") as file:
            return int(file.read())

    def terminal(self) -> int:
        """The master side, which the runtime sent before it ended. Raises OSError if it did not."""
        assert self._console is not None
        self._console.settimeout(1)
        connection, _ = self._console.accept()
        with connection:
            connection.settimeout(1)
            _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        if not fds:
            raise OSError("the runtime sent no terminal")
        os.set_inheritable(fds[0], False)
        return fds[0]

    def put_process(self, process: object) -> None:
        with open(f"{self.key}.json", "w", encoding="utf-8") as file:
            json.dump(process, file)

    def complaint(self) -> str:
        """The last error in the runtime's own log; empty if it logged none."""
        text = ""
        try:
            with open(f"{self.key}.log", encoding="utf-8", errors="replace") as file:
                for line in file:
                    text = _message(line) or text
        except OSError:
            return ""
        return text

    def close(self) -> None:
        if self._console is not None:
            self._console.close()
        for end in ("tty", "pid", "json", "log"):
            try:
                os.unlink(f"{self.key}.{end}")
            except FileNotFoundError:
                continue


def _message(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line.strip()
    return str(entry.get("msg", "")) if entry.get("level", "error") in ("error", "fatal") else ""
