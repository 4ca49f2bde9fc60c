"""Which roles a user has: bindings by subject, kept abreast of the watch cache within the very commit.

A request looks only at the bindings that name its user or one of its groups; how many others there are does not
matter. `revision` counts every change of a role or binding, so that whoever remembers an answer knows when to forget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from podling.api.kinds.rbac.views import BindingView, PolicyRule, Subject
from podling.api.objects import Event, Object, key_of, prefix_of
from podling.apiserver.message import User
from podling.storage.watchcache import WatchCache

GROUP = "rbac.authorization.k8s.io"
BINDINGS = (prefix_of(GROUP, "clusterrolebindings"), prefix_of(GROUP, "rolebindings"))
ROLES = (prefix_of(GROUP, "clusterroles"), prefix_of(GROUP, "roles"))

Key = tuple[str, str]
"""("User" | "Group", name); a service account is the user of its name."""


class Grant(msgspec.Struct, frozen=True):
    """A role given to a subject. `namespace` is where it holds; "" means everywhere."""

    namespace: str
    role_key: str
    binding: BindingView
    subject: Subject

    def why(self) -> str:
        """Upstream's words for the way a right came from."""
        name, role = self.binding.metadata.name, self.binding.role_ref
        kind, named = "ClusterRoleBinding", name
        if self.namespace:
            kind, named = "RoleBinding", f"{name}/{self.namespace}"
        subject = self.subject.name
        if self.subject.kind == "ServiceAccount":
            subject = f"{subject}/{self.subject.namespace or self.namespace}"
        return f'{kind} "{named}" of {role.kind} "{role.name}" to {self.subject.kind} "{subject}"'


class Grants:
    """Reads the cache at birth and follows it from then on."""

    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._by_subject: dict[Key, dict[tuple[str, int], Grant]] = {}
        self.revision = 0
        for prefix in BINDINGS:
            for found in cache.list(prefix):
                self._add(found)
            cache.follow(prefix, self._binding_changed)
        for prefix in ROLES:
            cache.follow(prefix, self._role_changed)

    def of(self, user: User, namespace: str) -> list[Grant]:
        """What counts in a namespace: cluster bindings first, each kind in order of names."""
        keys = [("User", user.name), *(("Group", group) for group in user.groups)]
        found = {key: grant for subject in keys for key, grant in self._by_subject.get(subject, {}).items()}
        return [found[key] for key in sorted(found) if found[key].namespace in ("", namespace)]

    def rules(self, role_key: str) -> Sequence[PolicyRule] | None:
        """None where the role does not exist."""
        found = self._cache.get(role_key)
        return None if found is None else found.view.rules or ()

    def _binding_changed(self, event: Event) -> None:
        self.revision += 1
        if event.previous is not None:
            self._remove(event.previous)
        if event.type != "DELETED":
            self._add(event.object)

    def _role_changed(self, event: Event) -> None:
        self.revision += 1

    def _add(self, found: Object) -> None:
        for number, (key, grant) in enumerate(_grants(found)):
            self._by_subject.setdefault(key, {})[found.key, number] = grant

    def _remove(self, found: Object) -> None:
        for number, (key, _) in enumerate(_grants(found)):
            held = self._by_subject.get(key, {})
            held.pop((found.key, number), None)
            if not held:
                self._by_subject.pop(key, None)


def role_key(kind: str, name: str, namespace: str) -> str:
    """Where the role of a reference lies in the store."""
    return key_of(GROUP, "roles", namespace, name) if kind == "Role" else key_of(GROUP, "clusterroles", "", name)


def _grants(found: Object) -> Iterator[tuple[Key, Grant]]:
    binding: BindingView = found.view
    namespace = found.head.namespace
    role = role_key(binding.role_ref.kind, binding.role_ref.name, namespace)
    for subject in binding.subjects or ():
        name, kind = subject.name, subject.kind
        if kind == "ServiceAccount":
            kind, name = "User", f"system:serviceaccount:{subject.namespace or namespace}:{name}"
        yield (kind, name), Grant(namespace, role, binding, subject)
