"""The cells of the matrix: every verb of every served resource in every version, and what a list of calls filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from podling.api.catalog import Catalog, Resource

ORDER = ("create", "get", "list", "watch", "update", "patch", "delete", "deletecollection")

ELSEWHERE = {
    "log": "tests/apiserver/streams/test_log.py",
    "exec": "tests/apiserver/streams/test_execution.py",
    "attach": "tests/apiserver/streams/test_execution.py",
    "portforward": "tests/apiserver/streams/test_portforward.py",
    "proxy": "tests/apiserver/streams/test_proxy.py",
    "metrics.k8s.io": "tests/apiserver/metricsapi",
}
"""Subresources and groups that need a node behind them, and where they are tried."""


class Cell(NamedTuple):
    """`resource` is `pods` or `pods/status`."""

    group_version: str
    resource: str
    verb: str

    @property
    def elsewhere(self) -> str:
        return ELSEWHERE.get(self.resource.rpartition("/")[2]) or ELSEWHERE.get(
            self.group_version.partition("/")[0], ""
        )


def entries() -> list[Resource]:
    return list(Catalog.load("book").resources)


def cells() -> Iterator[Cell]:
    for entry in entries():
        for verb in entry.verbs:
            yield Cell(entry.api_version, entry.plural, verb)
        for name, subresource in entry.subresources.items():
            for verb in subresource.verbs:
                yield Cell(entry.api_version, f"{entry.plural}/{name}", verb)


def missing(tried: Iterable[Cell]) -> list[Cell]:
    """Cells that no call filled and no other test is named for."""
    known = set(tried)
    return [each for each in cells() if each not in known and not each.elsewhere]


def page(tried: set[Cell]) -> str:
    """The page `docs/api-matrix.md`."""
    rows: dict[tuple[str, str], set[str]] = {}
    for cell in cells():
        rows.setdefault((cell.group_version, cell.resource), set()).add(cell.verb)
    head = "| Version | Resource | " + " | ".join(ORDER) + " |"
    lines = [INTRODUCTION, head, "| --- | --- |" + " :-: |" * len(ORDER)]
    for (version, resource), verbs in rows.items():
        marks = [_mark(Cell(version, resource, verb), verb in verbs, tried) for verb in ORDER]
        lines.append(f"| {version} | {resource} | {' | '.join(marks)} |")
    lines += ["", *(f"- `{name}`: `{path}`" for name, path in ELSEWHERE.items())]
    return "\n".join(lines) + "\n"


def _mark(cell: Cell, served: bool, tried: set[Cell]) -> str:
    if not served:
        return ""
    return "✓" if cell in tried else "·" if cell.elsewhere else "?"


INTRODUCTION = """# Every resource, verb and version

What the API serves under the profile `book`, and what its tests try. `make api-matrix` writes this page from the
catalog and from the calls of `tests/matrix`, and fails on a cell that no test fills. ✓ is tried there, with what the
verb has to do; · needs a node behind it and is tried in the tests named below.
"""
