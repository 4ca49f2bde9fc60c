"""Role: what may be done in a namespace."""

from __future__ import annotations

from podling.api import names
from podling.api.kinds.kind import Kind, Strategy
from podling.api.kinds.rbac import oldversions, policyrules
from podling.api.kinds.rbac.views import RoleView

KIND = Kind(
    "rbac.authorization.k8s.io",
    "v1",
    "Role",
    RoleView,
    validate=policyrules.validate,
    name_rule=names.path_segment,
    strategy=Strategy(create_on_update=True),
    conversions=oldversions.ROLES,
)
