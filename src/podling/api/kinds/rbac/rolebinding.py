"""RoleBinding: gives a role to subjects, inside one namespace."""

from __future__ import annotations

from podling.api.kinds.rbac.subjects import binding_kind

KIND = binding_kind("RoleBinding")
