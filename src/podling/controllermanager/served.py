"""What the controllers that look at everything look at, from the catalog of the server they run with."""

from __future__ import annotations

from podling.api.catalog import Catalog
from podling.client.transport import Resource
from podling.reconcile.view import Served


def served_by(catalog: Catalog) -> tuple[Served, ...]:
    """Every kept resource once, in its stored version."""
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for each in catalog.resources:
        if each.group != each.storage_group:
            groups.setdefault((each.storage_group, each.kind), {})[each.group] = None
    found: dict[tuple[str, str], Served] = {}
    for each in catalog.stored:
        resource, others = Resource(each.group, each.version, each.plural), groups.get((each.group, each.kind), {})
        served = Served(resource, each.kind, each.namespaced, each.verbs, tuple(others))
        found.setdefault((each.group, each.plural), served)
    return tuple(found.values())
