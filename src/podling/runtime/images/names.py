"""Image references: parsed, completed, printed.

`busybox` means `docker.io/library/busybox:latest`; only the completed form is stored and compared. The grammar is
that of the distribution specification's references.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,}))?"
)
DEFAULT_DOMAIN = "docker.io"


class InvalidName(ValueError):
    """Not an image reference; the text is what users know from Kubernetes."""


class Reference(NamedTuple):
    """`tag` is empty where only a digest was given."""

    domain: str
    path: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """The completed name with its tag, without a digest."""
        return f"{self.domain}/{self.path}" + (f":{self.tag}" if self.tag else "")

    @property
    def repository(self) -> str:
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        return self.name + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Complete a reference. Raises InvalidName."""
    domain, slash, rest = text.partition("/")
    if not slash or not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        text = f"{DEFAULT_DOMAIN}/{text if slash else 'library/' + text}"
    elif domain == DEFAULT_DOMAIN and "/" not in rest:
        text = f"{DEFAULT_DOMAIN}/library/{rest}"
    found = _REFERENCE.fullmatch(text)
    if found is None or found["domain"] is None:
        raise InvalidName("invalid reference format")
    tag, digest = found["tag"] or "", found["digest"] or ""
    return Reference(found["domain"], found["path"], tag or ("" if digest else "latest"), digest)
