"""What is known again by its JSON: most Pods come from few templates, most objects of a kind have the same fields.

What is a pure function of a JSON value need not be found once more for one that is byte for byte the same. Encoding a
value costs a tenth of what is saved by it. Large values are rarely repeated and would fill the memory: they are not
remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, Final, TypeVar

import orjson

LONGEST: Final = 16 * 1024
"""Bytes of the largest JSON that is remembered."""
R = TypeVar("R")


def by_json(size: int) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Of a function of a JSON value, and of hashable arguments behind it, which returns something that nobody changes:
    its last `size` results. What raises is not remembered."""

    def around(function: Callable[..., R]) -> Callable[..., R]:
        @lru_cache(maxsize=size)
        def remembered(data: bytes, *args: Any) -> R:
            return function(orjson.loads(data), *args)

        @wraps(function)
        def known(value: Any, /, *args: Any) -> R:
            data = orjson.dumps(value)
            return remembered(data, *args) if len(data) <= LONGEST else function(value, *args)

        return known

    return around


def rewriting(size: int) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Of a function that makes another JSON value of one, in place or not: its last `size` results. The caller owns
    what he gets; where nothing is to be changed, that is the value itself, which is never touched."""

    def around(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @lru_cache(maxsize=size)
        def remembered(data: bytes) -> bytes:
            return orjson.dumps(function(orjson.loads(data)))

        @wraps(function)
        def known(value: Any, /) -> Any:
            data = orjson.dumps(value)
            if len(data) > LONGEST:
                return function(orjson.loads(data))
            made = remembered(data)
            return value if made == data else orjson.loads(made)

        return known

    return around
