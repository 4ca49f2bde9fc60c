"""The Date header, formatted once a second."""

from __future__ import annotations

import email.utils

from podling.env import Env


class DateHeader:
    """Call it for the header's value."""

    __slots__ = ("_env", "_second", "_text")

    def __init__(self, env: Env) -> None:
        self._env = env
        self._second, self._text = -1, ""

    def __call__(self) -> str:
        now = int(self._env.now())
        if now != self._second:
            self._second, self._text = now, email.utils.formatdate(now, usegmt=True)
        return self._text
