"""What the cells of tables are made of: ages, selectors, lists of containers, in the words of `kubectl get`.

Every kind's columns are built from these; the texts (`<none>`, `<unknown>`, `3d4h`) are those kubectl users know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from podling.api import labels as label_rules
from podling.api.kinds.kind import NAME as NAME
from podling.api.kinds.kind import Cell, Column, Json

NONE: Final = "<none>"
UNKNOWN: Final = "<unknown>"
INVALID: Final = "<invalid>"


def human_duration(seconds: float) -> str:
    """`45s`, `3m20s`, `95m`, `5h12m`, `3d4h`, `20d`, `2y30d`: two units at most, coarser as it grows."""
    whole = int(seconds)
    if whole < -1:
        return INVALID
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours = whole // 60, whole // 3600
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    return _days(hours)


def _days(hours: int) -> str:
    days = hours // 24
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(big: int, unit: str, small: int, small_unit: str) -> str:
    return f"{big}{unit}{small}{small_unit}" if small else f"{big}{unit}"


def seconds(timestamp: str) -> float:
    """A metav1.Time or MicroTime as seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


def since(timestamp: str | None, now: float) -> str:
    """How long ago; `<unknown>` without a timestamp."""
    return human_duration(now - seconds(timestamp)) if timestamp else UNKNOWN


def at(obj: Any, path: str) -> Any:
    """The value at a dotted path, None where something on the way is missing."""
    for key in path.split("."):
        obj = obj.get(key) if isinstance(obj, Mapping) else None
    return obj


def value(path: str, default: Any = "") -> Cell:
    """The value at a path, `default` where there is none or it is empty."""
    return lambda obj, _: at(obj, path) or default


def number(path: str, default: int = 0) -> Cell:
    return lambda obj, _: int(at(obj, path) or default)


def text(path: str, default: str = "") -> Cell:
    """The value at a path as text; booleans as Go prints them."""

    def cell(obj: Json, _: float) -> str:
        found = at(obj, path)
        if found is None or found == "":
            return default
        return str(found).lower() if isinstance(found, bool) else str(found)

    return cell


def flag(path: str) -> Cell:
    """A boolean, false where there is none."""
    return lambda obj, _: bool(at(obj, path))


def count(path: str) -> Cell:
    """How many items a list or map has."""
    return lambda obj, _: len(at(obj, path) or ())


def names_of(path: str, key: str = "name") -> Cell:
    """The names of a list's items, joined by commas."""
    return lambda obj, _: ",".join(str(item.get(key, "")) for item in at(obj, path) or ())


def joined(items: Iterable[str], default: str = NONE) -> str:
    return ",".join(items) or default


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`a=b,c=d` in order of the keys, `<none>`."""
    return joined(f"{key}={labels[key]}" for key in sorted(labels or {}))  # type: ignore[index]


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """A label selector as kubectl prints it: `a=b,tier in (x,y),!z`; `<none>` where it selects all."""
    return str(label_rules.of(selector)) or NONE if selector else NONE


def column(name: str, cell: Cell, type: str = "string", *, wide: bool = False, description: str = "") -> Column:
    return Column(name, cell, type, "", int(wide), description)


def age(obj: Json, now: float) -> str:
    return since(at(obj, "metadata.creationTimestamp"), now)


AGE: Final = Column("Age", age, "string", "", 0, "Time since the object was created.")


def template_columns(template: str = "spec.template", selector: str = "spec.selector") -> tuple[Column, ...]:
    """The wide columns of workloads: containers, images, and the selector where there is one."""
    columns = [
        column(
            "Containers", names_of(f"{template}.spec.containers"), wide=True, description="Names of the containers."
        ),
        column("Images", names_of(f"{template}.spec.containers", "image"), wide=True, description="Their images."),
    ]
    if selector:
        columns.append(
            column("Selector", lambda obj, _: selector_text(at(obj, selector)), wide=True, description="Its Pods.")
        )
    return tuple(columns)


def access_modes(modes: Sequence[str] | None) -> str:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    found = set(modes or ())
    return ",".join(text for mode, text in short.items() if mode in found)


def replica_columns() -> tuple[Column, ...]:
    """What ReplicaSets and their predecessor count."""
    return (
        column("Desired", number("spec.replicas"), "integer", description="Pods it shall have."),
        column("Current", number("status.replicas"), "integer", description="Pods it has."),
        column("Ready", number("status.readyReplicas"), "integer", description="Pods that are ready."),
    )


def ready_of_replicas(obj: Json, now: float) -> str:
    """`2/3`: ready Pods of the Pods it shall have."""
    return f"{at(obj, 'status.readyReplicas') or 0}/{at(obj, 'spec.replicas') or 0}"
