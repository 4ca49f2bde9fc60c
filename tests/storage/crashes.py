"""What is lost when the power is cut or the writer is killed: nothing that was acknowledged, says the design.

Functions that answer with what was lost, so that other tests (and `tests/seen`) can call them with their own counts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from random import Random

import apsw

from podling.env import SystemEnv
from podling.storage.interface import StorageError
from podling.storage.sqlite import Options, SqliteStorage, Synchronous
from tests.storage.disks import Operation, PowerCut, watched

WRITERS = 6
ROUNDS = 60


def value_of(key: str) -> bytes:
    """What is written under a key: enough to spread over pages."""
    return (key.encode() + b" ") * 120


def lost_at_cut_points(synchronous: Synchronous, cuts: int, seed: int = 1) -> list[str]:
    """Cut the power at `cuts` moments of one run of writes; says for each what was acknowledged and is not there.

    Half of the cuts forget everything that was not synced, half keep a random part of it.
    """
    operations, acknowledged = _recorded_run(synchronous)
    chance = Random(seed)
    moments = sorted(chance.sample(range(acknowledged[0][0], len(operations) + 1), cuts))
    disk, done, lost = PowerCut(), 0, []
    for index, moment in enumerate(moments):
        for operation in operations[done:moment]:
            disk.follow(operation)
        done = moment
        expected = [key for when, key in acknowledged if when <= moment]
        with tempfile.TemporaryDirectory() as folder:
            disk.leave(folder, chance if index % 2 else None)
            missing = asyncio.run(_missing(f"{folder}/store.db", expected))
        lost += [f"cut {moment} of {len(operations)}: {what}" for what in missing]
    return lost


def lost_by_sigkill(kills: int, seed: int = 1) -> list[str]:
    """Kill a process that writes, at `kills` random moments; the store goes on from one to the next."""
    chance = Random(seed)
    expected: list[str] = []
    lost: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/store.db"
        for life in range(kills):
            command = [sys.executable, "-m", "tests.storage.crashes", path, str(life)]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
                assert writer.stdout is not None
                for _ in range(chance.randrange(1, 300)):
                    expected.append(writer.stdout.readline().decode().strip())
                writer.send_signal(signal.SIGKILL)
                # What it said before it died, whole lines only.
                expected += [line.decode() for line in writer.stdout.read().split(b"\n")[:-1]]
            lost += [f"life {life}: {what}" for what in asyncio.run(_missing(path, expected))]
    return lost


def _recorded_run(synchronous: Synchronous) -> tuple[list[Operation], list[tuple[int, str]]]:
    """The operations on the disk, and after how many of them each key was acknowledged."""
    operations: list[Operation] = []
    acknowledged: list[tuple[int, str]] = []

    async def run(folder: str, vfs: str) -> None:
        options = Options(synchronous=synchronous, vfs=vfs, reserve_bytes=0, index_rows=50)
        store = await SqliteStorage.open(f"{folder}/store.db", SystemEnv(), options)

        async def write(key: str) -> None:
            row = await store.create(key, b"first")
            await store.update(key, value_of(key), expect=row.revision)

        for turn in range(ROUNDS):
            keys = [f"core/pods/a/{turn}-{i}" for i in range(WRITERS)]
            await asyncio.gather(*(write(key) for key in keys))
            acknowledged.extend((len(operations), key) for key in keys)
        await store.close()

    def checkpoint_often(connection: apsw.Connection) -> None:
        connection.wal_autocheckpoint(40)

    apsw.connection_hooks.append(checkpoint_often)
    try:
        with tempfile.TemporaryDirectory() as folder, watched("forgetful", operations.append) as vfs:
            asyncio.run(run(folder, vfs))
    finally:
        apsw.connection_hooks.remove(checkpoint_often)
    return operations, acknowledged


async def _missing(path: str, keys: Iterable[str]) -> list[str]:
    """What of the acknowledged keys is not in the store as it was written; what is there and half."""
    try:
        store = await SqliteStorage.open(path, SystemEnv(), Options(synchronous="OFF", reserve_bytes=0))
    except StorageError as error:
        return [str(error)]
    rows = {row.key: row for row in (await store.list("")).rows}
    await store.close()
    lost = [key for key in keys if key not in rows or rows[key].value != value_of(key)]
    lost += [f"half of {key}" for key, row in rows.items() if row.value not in (b"first", value_of(key))]
    with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        log = list(connection.execute("SELECT key, revision, deleted FROM log ORDER BY key, revision"))
        if log != list(connection.execute("SELECT * FROM keyed")):
            lost.append("the way from keys to their revisions")
    return lost


async def _write_for_ever(path: str, life: str) -> None:
    """The process that is killed: says each key on a line as soon as it is acknowledged."""
    store = await SqliteStorage.open(path, SystemEnv(), Options(reserve_bytes=0))

    async def write(writer: int) -> None:
        count = 0
        while True:
            key = f"core/pods/{life}/{writer}-{count}"
            await store.create(key, value_of(key))
            os.write(1, f"{key}\n".encode())
            count += 1

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(_write_for_ever(*sys.argv[1:]))
