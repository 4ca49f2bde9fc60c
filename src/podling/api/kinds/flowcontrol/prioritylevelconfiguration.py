"""PriorityLevelConfiguration: how many requests of a level run at once, and which wait."""

from __future__ import annotations

from podling.api.kinds.cells import AGE, NAME, NONE, at, column, text, value
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.flowcontrol import flowrules, oldversions
from podling.api.kinds.kind import Cell, Json, Kind, Strategy


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if exempt := spec.get("exempt"):
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    if (limited := spec.get("limited")) is None:
        return
    limited.setdefault("nominalConcurrencyShares", 30)
    limited.setdefault("lendablePercent", 0)
    if (queuing := at(limited, "limitResponse.queuing")) is not None:
        for name, amount in (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)):
            fill(queuing, name, amount)


def _queuing(name: str) -> Cell:
    return text(f"spec.limited.limitResponse.queuing.{name}", NONE)


KIND = Kind(
    "flowcontrol.apiserver.k8s.io",
    "v1",
    "PriorityLevelConfiguration",
    defaults=defaults,
    validate=flowrules.level,
    strategy=Strategy(status=True, generation=True, unconditional_update=False),
    columns=(
        NAME,
        column("Type", value("spec.type"), description="Exempt or Limited."),
        column("NominalConcurrencyShares", text("spec.limited.nominalConcurrencyShares", NONE), description="Share."),
        column("Queues", _queuing("queues"), description="Number of queues."),
        column("HandSize", _queuing("handSize"), description="Queues a flow is dealt."),
        column("QueueLengthLimit", _queuing("queueLengthLimit"), description="Requests a queue holds."),
        AGE,
    ),
    conversions=oldversions.levels(defaults),
)
