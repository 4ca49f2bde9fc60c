"""`FROM host`: the machine itself as an image, by an allow-list.

Nothing of the host is copied but a few files of /etc, and nothing is seen but /usr (without /usr/local) and the
Python that runs Podling. /usr is an overlay of its own in every container, so it can be written to without the host
noticing. The interpreter lies at its own path, read-only, even inside a home that nobody else may enter: there the
container only has folders to mount it on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from podling.runtime.images.unpack import make_whiteout

FORMAT = "2"
STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_PASSWD = """root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUP = """root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
tty:x:5:
mail:x:8:
www-data:x:33:
nogroup:x:65534:
"""
_ETC = {
    "passwd": _PASSWD,
    "group": _GROUP,
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "hosts": "127.0.0.1 localhost\n",
    "hostname": "",
    "resolv.conf": "",
}
_COPIED_FILES = ("ld.so.cache", "ld.so.conf", "localtime", "services", "protocols", "mime.types", "ssl/openssl.cnf")
_COPIED_FOLDERS = ("ssl/certs", "pki/tls/certs", "pki/ca-trust/extracted", "alternatives", "ld.so.conf.d")
_FOLDERS = (
    "dev",
    "etc",
    "home",
    "media",
    "mnt",
    "opt",
    "proc",
    "run",
    "srv",
    "sys",
    "usr",
    "var/cache",
    "var/lib",
    "var/log",
)


class HostBase(NamedTuple):
    """`lower`: the synthetic root. `usr`: what lies below /usr, upper first. `binds`: paths shown read-only."""

    lower: Path
    usr: tuple[Path, ...]
    binds: tuple[str, ...]
    path: str
    """The PATH of a container, the interpreter first."""


class Interpreter(NamedTuple):
    """`prefix` is the environment (or the same as `base`), `base` the installation."""

    prefix: str
    base: str

    @classmethod
    def running(cls) -> Interpreter:
        return cls(sys.prefix, sys.base_prefix)

    def binds(self) -> tuple[str, ...]:
        """What has to be shown beside /usr, outermost first and nothing twice."""
        wanted = dict.fromkeys(os.path.realpath(path) for path in (self.base, self.prefix))
        return tuple(
            path for path in wanted if not _within(path, "/usr") or _within(path, "/usr/local")
        )  # fmt: skip

    def search_path(self) -> str:
        own = [f"{folder}/bin" for folder in dict.fromkeys((self.prefix, self.base)) if folder != "/usr"]
        return ":".join([*own, STANDARD_PATH])


def host_base(folder: Path, interpreter: Interpreter) -> HostBase:
    """The pieces, made in `folder` when they are not there or the host's libraries have changed."""
    binds = (*interpreter.binds(), *_unmerged())
    made = folder / _key(interpreter, binds)
    if not made.is_dir():
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        building = folder / f"{made.name}.{os.getpid()}.{threading.get_ident()}"
        shutil.rmtree(building, ignore_errors=True)
        _build(building, interpreter, binds)
        try:
            os.rename(building, made)
        except OSError:
            shutil.rmtree(building)  # another process was faster
    return HostBase(made / "root", (made / "mask", Path("/usr")), binds, interpreter.search_path())


def _key(interpreter: Interpreter, binds: Iterable[str]) -> str:
    text = [FORMAT, *interpreter, *binds]
    for name in ("/etc/ld.so.cache", "/etc/ssl/certs", "/etc/alternatives"):
        try:
            text.append(str(os.stat(name).st_mtime_ns))
        except OSError:
            text.append("-")
    return hashlib.sha256("\0".join(text).encode()).hexdigest()[:16]


def _build(folder: Path, interpreter: Interpreter, binds: Iterable[str]) -> None:
    root, mask = folder / "root", folder / "mask"
    root.mkdir(mode=0o755, parents=True)
    mask.mkdir(mode=0o755)
    make_whiteout(mask / "local")
    for name in _FOLDERS:
        (root / name).mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700)):
        (root / name).mkdir()
        (root / name).chmod(mode)
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if os.path.islink(f"/{name}"):
            (root / name).symlink_to(f"usr/{name}")
    (root / "var/run").symlink_to("/run")
    _make_etc(root / "etc")
    for bind in binds:
        _mountpoint(root, bind)
    for path in (interpreter.prefix, interpreter.base, *_links(f"{interpreter.prefix}/bin/python3")):
        _link_to_real(root, path)


def _make_etc(etc: Path) -> None:
    for name, text in _ETC.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o644)
    for name in _COPIED_FILES:
        source = Path("/etc", name)
        if source.is_file():
            (etc / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            shutil.copyfile(source, etc / name)
            (etc / name).chmod(0o644)
    for name in _COPIED_FOLDERS:
        if Path("/etc", name).is_dir():
            shutil.copytree(Path("/etc", name), etc / name, symlinks=True, dirs_exist_ok=True)
    (etc / "mtab").symlink_to("/proc/self/mounts")
    if os.path.exists("/usr/lib/os-release"):
        (etc / "os-release").symlink_to("../usr/lib/os-release")


def _mountpoint(root: Path, path: str) -> None:
    """Every user of the container may pass to it; what was there before (/tmp) keeps the rest of its mode."""
    place = root
    for part in Path(path).parts[1:]:
        place = place / part
        if not os.path.lexists(place):
            place.mkdir()
            place.chmod(0o755)
        elif not place.is_symlink():
            place.chmod(stat.S_IMODE(place.stat().st_mode) | 0o111)


def _links(path: str) -> list[str]:
    """The folders through which an environment names its interpreter, link by link."""
    found: list[str] = []
    while os.path.islink(path) and len(found) < 10:
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
        found.append(os.path.dirname(os.path.dirname(path)))
    return found


def _link_to_real(root: Path, path: str) -> None:
    real = os.path.realpath(path)
    if real == path or _within(path, "/usr"):
        return
    place = root / path.lstrip("/")
    if not os.path.lexists(place):
        _mountpoint(root, os.path.dirname(path))
        place.symlink_to(real)


def _unmerged() -> tuple[str, ...]:
    """Folders of / that are not links into /usr on this distribution."""
    return tuple(p for p in ("/bin", "/sbin", "/lib", "/lib64") if os.path.isdir(p) and not os.path.islink(p))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")
