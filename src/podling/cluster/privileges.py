"""Giving up root: the server needs no privilege (DESIGN 19)."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path


def become(uid: int) -> str:
    """Turn this process into the ordinary user `uid` for good; says in words why it stayed root, if it did."""
    if os.geteuid() != 0:
        return ""
    if uid == 0:
        return "started by root itself, so the server runs as root"
    if unreadable := _unreadable(uid):
        return f"the interpreter below {unreadable} is not readable for uid {uid}, so the server runs as root"
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    return ""


def _unreadable(uid: int) -> Path | None:
    """The first folder on the way to our modules that another user may not pass."""
    for start in {sys.prefix, sys.base_prefix, str(Path(__file__).parents[1])}:
        for folder in (Path(start), *Path(start).parents):
            status = folder.stat()
            if status.st_uid != uid and not status.st_mode & stat.S_IXOTH:
                return folder
    return None
