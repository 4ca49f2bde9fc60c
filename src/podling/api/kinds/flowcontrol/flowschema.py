"""FlowSchema: which requests belong to which priority level."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, NONE, at, column, number, value
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.flowcontrol import flowrules, oldversions
from podling.api.kinds.kind import Json, Kind, Strategy


def defaults(obj: Json) -> None:
    fill(obj.setdefault("spec", {}), "matchingPrecedence", 1000)


def missing_level(obj: Json, now: float) -> str:
    found = (c.get("status", "") for c in at(obj, "status.conditions") or () if c.get("type") == "Dangling")
    return next(found, "?")


KIND = Kind(
    "flowcontrol.apiserver.k8s.io",
    "v1",
    "FlowSchema",
    defaults=defaults,
    validate=flowrules.flow_schema,
    strategy=Strategy(status=True, generation=True, unconditional_update=False),
    columns=(
        NAME,
        column("PriorityLevel", value("spec.priorityLevelConfiguration.name"), description="The level."),
        column("MatchingPrecedence", number("spec.matchingPrecedence"), "integer", description="Lower goes first."),
        column("DistinguisherMethod", value("spec.distinguisherMethod.type", NONE), description="What parts flows."),
        AGE,
        column("MissingPL", missing_level, description="Whether its level is missing."),
    ),
    conversions=oldversions.flow_schemas(defaults),
)
