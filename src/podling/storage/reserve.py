"""A file that only takes up room, so that a full disk still lets objects be deleted.

When the disk is full the reserve is given to the store; writes other than deletions stay refused until there is
enough room to take it back.
"""

from __future__ import annotations

import contextlib
import os


class Reserve:
    """`size` bytes at `path`; synchronous file work."""

    def __init__(self, path: str, size: int) -> None:
        self._path, self._size = path, size

    def take(self) -> bool:
        """Make sure that the room is held; False where the disk does not have it."""
        file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            if self._size:
                os.posix_fallocate(file, 0, self._size)
        except OSError:
            self.give()
            return False
        finally:
            os.close(file)
        return True

    def give(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
