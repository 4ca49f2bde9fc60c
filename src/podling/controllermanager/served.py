"""What the controllers that look at everything look at, from the catalog of the server they run with."""

from __future__ import annotations

from podling.api.catalog import Catalog
from podling.client.transport import Resource
from podling.reconcile.view import Served


def served_by(catalog: Catalog) -> tuple[Served, ...]:
    """Every kept resource once, in its stored version."""
    found: dict[tuple[str, str], Served] = {}
    for each in catalog.stored:
        resource = Resource(each.group, each.version, each.plural)
        found.setdefault((each.group, each.plural), Served(resource, each.kind, each.namespaced, each.verbs))
    return tuple(found.values())
