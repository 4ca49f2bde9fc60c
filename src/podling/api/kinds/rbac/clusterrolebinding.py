"""ClusterRoleBinding: gives a cluster role to subjects everywhere."""

from __future__ import annotations

from podling.api import names
from podling.api.kinds.kind import Kind, Strategy
from podling.api.kinds.rbac import subjects

KIND = Kind(
    "rbac.authorization.k8s.io",
    "v1",
    "ClusterRoleBinding",
    defaults=subjects.subject_defaults,
    validate=subjects.validate,
    validate_update=subjects.validate_update,
    name_rule=names.path_segment,
    strategy=Strategy(create_on_update=True),
    columns=subjects.subject_columns,
)
