"""Levels and versions, and what a namespace's labels ask for (Kubernetes documentation, "Pod Security Admission")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from podling.api.errors import Cause
from podling.api.kinds import causes

PREFIX: Final = "pod-security.kubernetes.io/"
MODES: Final = ("enforce", "audit", "warn")
LEVELS: Final = ("privileged", "baseline", "restricted")
LATEST: Final = "latest"
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")


class Standard(msgspec.Struct, frozen=True):
    """A level as a release of Kubernetes understood it; `version` is `latest` or like `v1.30`."""

    level: str = "privileged"
    version: str = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def minor(self) -> int | None:
        """The release's minor number; None for the newest there is."""
        return None if self.version == LATEST else int(self.version.removeprefix("v1."))


class Policy(msgspec.Struct, frozen=True):
    """What a namespace asks for."""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()


def policy_of(labels: Mapping[str, str]) -> Policy:
    """What is silent about warnings warns of what is not let in. What cannot be read lets in the strictest only, and
    warns of nothing."""
    enforce = _standard(labels, "enforce", Standard(), "restricted")
    silent = enforce if f"{PREFIX}enforce" in labels else Standard()
    audit = _standard(labels, "audit", Standard(), "privileged")
    return Policy(enforce, audit, _standard(labels, "warn", silent, "privileged"))


def _standard(labels: Mapping[str, str], mode: str, silent: Standard, unreadable: str) -> Standard:
    level = labels.get(PREFIX + mode, silent.level)
    version = labels.get(f"{PREFIX}{mode}-version", silent.version)
    return Standard(level if level in LEVELS else unreadable, version if _is_version(version) else LATEST)


def _is_version(text: str) -> bool:
    return text == LATEST or _VERSION.fullmatch(text) is not None


def label_errors(labels: Mapping[str, str]) -> list[Cause]:
    """Labels that are no levels or no versions."""
    found = []
    for mode in MODES:
        level, version = labels.get(PREFIX + mode), labels.get(f"{PREFIX}{mode}-version")
        if level is not None and level not in LEVELS:
            path = f"metadata.labels[{PREFIX}{mode}]"
            found.append(causes.invalid(path, level, f"must be one of {', '.join(LEVELS)}"))
        if version is not None and not _is_version(version):
            path = f"metadata.labels[{PREFIX}{mode}-version]"
            found.append(causes.invalid(path, version, 'must be "latest" or "v1.x"'))
    return found


def tightens(new: Standard, old: Standard) -> bool:
    """Whether Pods that were let in may not be what the new standard allows."""
    if new == old or new.level == "privileged":
        return False
    return new.version != old.version or LEVELS.index(new.level) > LEVELS.index(old.level)
