"""The user's kubeconfig file: our context goes in and comes out, everything else stays.

Under sudo the file is that of the user who called sudo, and stays his.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

from podling.pki import kubeconfig

from .spec import SpecError


def write_private(file: Path, data: bytes) -> None:
    """Atomic, mode 0600, folders 0700, owner as the folder's."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f".{file.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(data)
    new.replace(file)


def invoking_user() -> tuple[int, int, Path]:
    """uid, gid and home of the human at the keyboard: under sudo the one who called it."""
    uid = int(os.environ.get("SUDO_UID", os.getuid())) if os.geteuid() == 0 else os.getuid()
    if uid == os.getuid():
        return uid, os.getgid(), Path(os.environ.get("HOME") or pwd.getpwuid(uid).pw_dir)
    user = pwd.getpwuid(uid)
    return uid, user.pw_gid, Path(user.pw_dir)


def user_files() -> tuple[Path, ...]:
    """The files kubectl would read: those of `$KUBECONFIG`, else ~/.kube/config. The first is written to."""
    chosen = [Path(name) for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return tuple(chosen) or (invoking_user()[2] / ".kube" / "config",)


def merge_into_user_file(admin: Path) -> Path:
    """Put the cluster's context into the user's kubeconfig and make it the current one; says where.

    Raises SpecError where the file is none of the kind, OSError where it cannot be written.
    """
    import yaml

    file = user_files()[0]
    new: dict[str, Any] = yaml.safe_load(admin.read_text())
    _store(file, kubeconfig.merged(_load(file), new))
    return file


def remove_from_user_file(name: str) -> None:
    """Forget the context; a file in which nothing is left is removed, one that cannot be read is left alone."""
    for file in user_files():
        try:
            existing = _load(file)
        except SpecError:
            continue
        if not any(entry.get("name") == name for entry in existing.get("contexts") or ()):
            continue
        left = kubeconfig.without(existing, name)
        if kubeconfig.is_empty(left):
            file.unlink(missing_ok=True)
        else:
            _store(file, left)


def _load(file: Path) -> dict[str, Any]:
    """Empty where there is no such file. Raises SpecError."""
    import yaml

    try:
        found = yaml.safe_load(file.read_text()) or {}
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(
            f"{file} is no kubeconfig ({str(error).splitlines()[0]}): mend it, or set KUBECONFIG"
        ) from error
    if not isinstance(found, dict):
        raise SpecError(f"{file} is no kubeconfig: mend it, or set KUBECONFIG")
    return found


def _store(file: Path, config: kubeconfig.Config) -> None:
    import yaml

    file = Path(os.path.realpath(file))  # a link stays a link
    fresh = not file.parent.exists()
    write_private(file, yaml.safe_dump(config, sort_keys=False).encode())
    uid, gid, _ = invoking_user()
    if uid != os.getuid():
        for path in (file, file.parent) if fresh else (file,):
            os.chown(path, uid, gid)
