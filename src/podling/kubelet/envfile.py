"""Files of variables that one container writes and another one's environment is taken from (`fileKeyRef`).

The format is the part of a POSIX shell's that nobody can read in two ways: `NAME='value'`, literal between the quotes,
over several lines too; blank lines and comments. As upstream does it, the first line that says something of a name
counts, nothing after it is read, and an empty value is none. (KEP-3721, "Support for env files".)
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

MOST = 64 << 10
"""Bytes of a file."""
_NOTHING = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
# A blank after the sign is an empty value to a shell, and what follows something else.
_VARIABLE = re.compile(r"[ \t]*([^=\s](?:[^=\n]*[^=\s])?)=(?:'([^']*)'[ \t]*(?:#[^\n]*)?|[ \t][^\n]*)(?:\n|\Z)")


def value(text: str, name: str) -> str:
    """What is said of a name, or nothing. Raises ValueError with the line that cannot be read."""
    at = 0
    while at < len(text):
        match = _NOTHING.match(text, at) or _VARIABLE.match(text, at)
        if match is None:
            raise ValueError(f"invalid environment variable format at line {text.count(chr(10), 0, at) + 1}")
        if match.re is _VARIABLE and match[1] == name:
            return match[2] or ""
        at = match.end()
    return ""


def read(volume: Path, path: str) -> str | None:
    """The text of a file in a volume, None where there is none. Raises ValueError.

    Containers can write there, so no link is followed: it might lead out of the volume.
    """
    *folders, name = parts = Path(path).parts or (".",)
    if ".." in parts or path.startswith("/"):
        raise ValueError(f"{path} is not within its volume")
    folder = os.open(volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"cannot open {path}: {os.strerror(error.errno or 0).lower()}") from error
    finally:
        os.close(folder)
    try:
        return _text(file, path)
    finally:
        os.close(file)


def _text(file: int, path: str) -> str:
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode):
        raise ValueError(f"{path} is no regular file")
    if about.st_size > MOST:
        raise ValueError(f"{path} is larger than {MOST} bytes")
    return os.pread(file, MOST, 0).decode("utf-8", "surrogateescape")
