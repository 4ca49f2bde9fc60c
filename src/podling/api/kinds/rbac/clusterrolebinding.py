"""ClusterRoleBinding: gives a cluster role to subjects everywhere."""

from __future__ import annotations

from podling.api.kinds.rbac.subjects import binding_kind

KIND = binding_kind("ClusterRoleBinding")
