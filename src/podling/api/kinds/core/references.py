"""References between objects, shared by the kinds of the core group.

They name an object by kind, by namespace or by key; which of them is resolved, and when, is the reader's affair.
"""

from __future__ import annotations

from podling.api.kinds.view import View


class LocalObjectReference(View, frozen=True):
    name: str = ""


class ObjectReference(View, frozen=True):
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""
    field_path: str = ""


class TypedLocalObjectReference(View, frozen=True):
    api_group: str | None = None
    kind: str = ""
    name: str = ""


class TypedObjectReference(View, frozen=True):
    api_group: str | None = None
    kind: str = ""
    name: str = ""
    namespace: str | None = None


class SecretReference(View, frozen=True):
    name: str = ""
    namespace: str = ""


class ObjectFieldSelector(View, frozen=True):
    api_version: str = ""
    field_path: str = ""


class ResourceFieldSelector(View, frozen=True):
    container_name: str = ""
    resource: str = ""
    divisor: str = ""


class ConfigMapKeySelector(View, frozen=True):
    name: str = ""
    key: str = ""
    optional: bool | None = None


class SecretKeySelector(View, frozen=True):
    name: str = ""
    key: str = ""
    optional: bool | None = None


class FileKeySelector(View, frozen=True):
    volume_name: str = ""
    path: str = ""
    key: str = ""
    optional: bool | None = None


class ConfigMapEnvSource(View, frozen=True):
    name: str = ""
    optional: bool | None = None


class SecretEnvSource(View, frozen=True):
    name: str = ""
    optional: bool | None = None


class KeyToPath(View, frozen=True):
    key: str = ""
    path: str = ""
    mode: int | None = None
    user: int | None = None
