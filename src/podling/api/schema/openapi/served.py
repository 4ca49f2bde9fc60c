"""What the documents are about: the resources that a server serves, in the catalog's words."""

from __future__ import annotations

import msgspec


class ServedSubresource(msgspec.Struct, frozen=True):
    """`status`, `scale`, `log` …; group, version and kind are those of what it reads and writes."""

    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


class ServedResource(msgspec.Struct, frozen=True):
    """One resource of one group version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    subresources: tuple[ServedSubresource, ...] = ()
    schema: str = ""
    """The structural schema of a custom resource, as JSON; the type table has no type for it."""

    @property
    def prefix(self) -> str:
        """`api/v1` or `apis/apps/v1`: how OpenAPI v3 names the group version."""
        return f"apis/{self.group}/{self.version}" if self.group else f"api/{self.version}"
