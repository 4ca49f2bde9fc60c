"""The steps of a long command, each shown with its time when it is done."""

from __future__ import annotations

from collections.abc import Callable

from podling.env import Env


class Steps:
    """`done("API answering")` prints the step and how long after the beginning it came."""

    def __init__(self, env: Env, say: Callable[[str], None]) -> None:
        self._env, self._say = env, say
        self._began = env.monotonic()

    @property
    def elapsed(self) -> float:
        return self._env.monotonic() - self._began

    def done(self, text: str) -> None:
        self._say(f"  ✓ {text:<44} {self.elapsed:6.2f} s")

    def note(self, text: str) -> None:
        self._say(f"    {text}")
