"""The packaged table as it lies in the file: rows, decoded a package at a time.

`table.json` is compiled from `data/` by `data/compile.py`. Opening it costs about a millisecond, because the rows of a
package stay bytes until somebody asks for one of its types.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec


class FieldRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One field as declared in Go; `flags`: o omitempty, i inline, q optional, r required, e enum."""

    name: str
    type: str
    number: int = 0
    flags: str = ""
    more: dict[str, Any] = {}


class TypeRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A struct (`fields`) or a named type over another one (`alias`, with the `values` of its constants)."""

    fields: tuple[FieldRow, ...] | None = None
    alias: str = ""
    values: tuple[str, ...] = ()
    enum: bool = False
    struct_type: str = ""
    life: dict[str, str] = {}


class ResourceRow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A resource or `resource/subresource` of one group version as discovery lists it."""

    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    singular: str = ""
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresource_of: str = ""
    """Group and version of a subresource's kind where they differ from the resource's (`autoscaling/v1` for scale)."""
    removed: str = ""
    """The release that removed this version upstream, e.g. `1.16`; empty for what 1.37 knows."""


class _File(msgspec.Struct, frozen=True):
    types: dict[str, msgspec.Raw]
    resources: msgspec.Raw


class Table:
    """The opened file; packages and resources are decoded on first use and kept."""

    def __init__(self, data: bytes) -> None:
        self._file = msgspec.json.decode(data, type=_File)
        self._data = data
        self._packages: dict[str, dict[str, TypeRow]] = {}
        self._resources: dict[str, dict[str, ResourceRow]] | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        return tuple(self._file.types)

    @cached_property
    def edition(self) -> str:
        """A short hash of the whole table: what is derived from another table is another thing."""
        return hashlib.sha256(self._data).hexdigest()[:16]

    def package(self, name: str) -> dict[str, TypeRow]:
        """The rows of `core/v1` and the like; empty when the table does not know the package."""
        if name not in self._packages:
            raw = self._file.types.get(name)
            self._packages[name] = {} if raw is None else msgspec.json.decode(raw, type=dict[str, TypeRow])
        return self._packages[name]

    @property
    def resources(self) -> dict[str, dict[str, ResourceRow]]:
        """group/version → resource or resource/subresource → row, current versions first, then removed ones."""
        if self._resources is None:
            self._resources = msgspec.json.decode(self._file.resources, type=dict[str, dict[str, ResourceRow]])
        return self._resources


def open_table() -> Table:
    return Table(Path(__file__).with_name("table.json").read_bytes())
