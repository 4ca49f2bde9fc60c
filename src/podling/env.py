"""The environment: clock, ids, randomness, threads.

Everything in Podling that depends on the machine's time or chance receives an `Env` in its constructor; ruff bans
the usual sources everywhere else. That is what lets a whole control plane run on simulated time and be replayed
from one seed (DESIGN 20).
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# The alphabet of upstream's generated names: no vowels, nothing that reads alike.
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
IDS_AT_ONCE = 64


class Env(Protocol):
    """What a component may ask of the world."""

    def now(self) -> float:
        """Wall clock, seconds since the epoch."""

    def monotonic(self) -> float:
        """A clock that only goes forward, in seconds; its zero means nothing."""

    async def sleep(self, seconds: float) -> None: ...

    def uid(self) -> str:
        """A new UUID (version 4) as text."""

    def suffix(self, length: int = 5) -> str:
        """The random end of a generated name, in upstream's alphabet."""

    def chance(self) -> float:
        """A random number in [0, 1): jitter, sampling, choice."""

    def token(self, size: int) -> bytes:
        """Random bytes for keys and nonces."""

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run C code that releases the GIL (SQLite, zlib, hashing, file I/O) beside the loop."""


class SystemEnv:
    """The machine itself."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()
        # Names and jitter are no secrets, and asking the kernel lets other threads in each time.
        self._dice = random.Random(self._random.getrandbits(256))
        self._ids: list[str] = []

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def uid(self) -> str:
        if not self._ids:
            # The kernel is asked for the randomness of many ids at once.
            noise = self._random.randbytes(16 * IDS_AT_ONCE)
            self._ids = [_uuid4(noise[at : at + 16].hex()) for at in range(0, len(noise), 16)]
        return self._ids.pop()

    def suffix(self, length: int = 5) -> str:
        return "".join(self._dice.choices(NAME_ALPHABET, k=length))

    def chance(self) -> float:
        return self._dice.random()

    def token(self, size: int) -> bytes:
        return self._random.randbytes(size)

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)


def _uuid4(noise: str) -> str:
    """32 hexadecimal digits as a UUID of version 4; without the class that takes 16 bytes apart and prints them."""
    variant = "89ab"[int(noise[16], 16) & 3]
    return f"{noise[:8]}-{noise[8:12]}-4{noise[13:16]}-{variant}{noise[17:20]}-{noise[20:]}"


class SimulatedEnv:
    """A world of one seed: the loop's (virtual) time, reproducible chance, no threads.

    `epoch` is the wall clock at the loop's zero.
    """

    def __init__(self, seed: int, epoch: float = 1_700_000_000.0) -> None:
        self._random = random.Random(seed)
        self._epoch = epoch

    def now(self) -> float:
        return self._epoch + self.monotonic()

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock, forwards or back; time passes as before."""
        self._epoch += seconds

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        return "".join(self._random.choices(NAME_ALPHABET, k=length))

    def chance(self) -> float:
        return self._random.random()

    def token(self, size: int) -> bytes:
        return self._random.randbytes(size)

    async def in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)


def rfc3339(seconds: float) -> str:
    """A wall-clock time as `metav1.Time` prints it: UTC, whole seconds."""
    return _whole_seconds(int(seconds))


@lru_cache(maxsize=64)
def _whole_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(seconds: float) -> str:
    """A wall-clock time as `metav1.MicroTime` prints it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> float:
    """The inverse of both; raises ValueError."""
    return datetime.fromisoformat(text).timestamp()
