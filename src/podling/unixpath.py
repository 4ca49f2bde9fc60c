"""Unix sockets at paths of any length.

A socket's address holds 107 bytes of path, which a state folder deep in somebody's home exceeds. Through a
descriptor of its folder every path is short.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 107


@contextmanager
def short_path(path: str) -> Iterator[str]:
    """A path to the same file that fits into a socket's address, valid within the block. Raises OSError."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield path
        return
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
