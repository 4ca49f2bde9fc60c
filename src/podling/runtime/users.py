"""Who a container runs as: the image's `USER` and the Pod's securityContext against the image's passwd and group."""

from __future__ import annotations

from typing import NamedTuple


class Identity(NamedTuple):
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str = "/"


class UnknownUser(ValueError):
    """The text is the one that users know."""


def resolve(
    user: str,
    uid: int | None,
    gid: int | None,
    supplemental: tuple[int, ...],
    passwd: str,
    group: str,
    strict: bool = False,
) -> Identity:
    """`user` is the image's (`name`, `uid`, `name:group`, `uid:gid`, empty for root), `uid`/`gid` the Pod's, which
    win; `strict`: the image's groups of the user are none of the container's. Raises UnknownUser for a name that the
    image does not have."""
    name, _, group_name = ("", "", "") if uid is not None else user.partition(":")
    entry = _entry(passwd, name if uid is None else str(uid))
    if uid is None:
        uid, primary = _user(name, entry)
    else:
        primary = int(entry[3]) if entry else 0
    if gid is not None:
        primary = gid
    elif group_name:
        primary = _group(group_name, group)
    member = entry[0] if entry and not strict else ""
    groups = {primary, *supplemental} | (set(_groups_of(member, group)) if member else set())
    return Identity(uid, primary, tuple(sorted(groups)), entry[5] if entry and len(entry) > 5 and entry[5] else "/")


def _user(name: str, entry: list[str] | None) -> tuple[int, int]:
    if entry is not None:
        return int(entry[2]), int(entry[3])
    if name == "" or name == "root":
        return 0, 0
    if name.isdigit():
        return int(name), 0
    raise UnknownUser(f"unable to find user {name}: no matching entries in passwd file")


def _group(name: str, group: str) -> int:
    for fields in _lines(group, 3):
        if fields[0] == name:
            return int(fields[2])
    if name.isdigit():
        return int(name)
    raise UnknownUser(f"unable to find group {name}: no matching entries in group file")


def _entry(passwd: str, wanted: str) -> list[str] | None:
    wanted = wanted or "root"
    for fields in _lines(passwd, 4):
        if fields[0] == wanted or (wanted.isdigit() and fields[2] == wanted):
            return fields
    return None


def _groups_of(member: str, group: str) -> list[int]:
    return [int(fields[2]) for fields in _lines(group, 4) if member in fields[3].split(",")]


def _lines(text: str, least: int) -> list[list[str]]:
    rows = [line.split(":") for line in text.splitlines() if line and not line.startswith("#")]
    return [row for row in rows if len(row) >= least and row[2].isdigit()]
