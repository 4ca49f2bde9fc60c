"""PodDisruptionBudget as policy/v1beta1 read it, until 1.25: there an empty selector chose no Pod, in v1 it is all.

The same budgets are kept the same by a requirement on a label that no Pod has; upstream uses this label, too.
"""

from __future__ import annotations

from typing import Any, Final

from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import with_spec, without_defaults

HUB: Final = "policy/v1"
LABEL: Final = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
# In v1 for `{}` of v1beta1, and in v1beta1 for `{}` of v1.
NO_POD: Final[Json] = {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]}
EVERY_POD: Final[Json] = {"matchExpressions": [{"key": LABEL, "operator": "DoesNotExist"}]}


def budgets() -> Conversion:
    return with_spec("policy", "v1beta1", without_defaults, HUB, _to_hub, _from_hub)


def _to_hub(obj: Json) -> Json:
    return _selecting(obj, NO_POD, EVERY_POD)


def _from_hub(obj: Json) -> Json:
    return _selecting(obj, EVERY_POD, NO_POD)


def _selecting(obj: Json, for_empty: Json, to_empty: Json) -> Json:
    spec: dict[str, Any] = obj.get("spec") or {}
    selector = spec.get("selector")
    if selector is None:
        return obj
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        return obj | {"spec": spec | {"selector": for_empty}}
    return obj | {"spec": spec | {"selector": {}}} if selector == to_empty else obj
