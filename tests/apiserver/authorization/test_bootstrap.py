"""The roles a cluster begins with, and what a start makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from podling.apiserver.authorization.policy.words import Binding, Role, rule, user
from podling.apiserver.authorization.reconciliation import AUTOUPDATE, ROLES, manifest, reconciled
from podling.storage.memory import MemoryStorage
from tests.apiserver.authorization.test_rbac import RBAC, as_user
from tests.apiserver.serving import DEFAULT, names, serving

Json = dict[str, Any]


async def test_a_cluster_begins_with_upstreams_roles() -> None:
    async with serving() as api:
        found = names((await api.get(f"{RBAC}/clusterroles")).json())
        assert {"cluster-admin", "admin", "edit", "view", "system:node", "system:discovery"} <= set(found)
        view = (await api.get(f"{RBAC}/clusterroles/view")).json()
        assert view["metadata"]["labels"] == {
            "kubernetes.io/bootstrapping": "rbac-defaults",
            "rbac.authorization.k8s.io/aggregate-to-edit": "true",
        }
        assert view["metadata"]["annotations"] == {AUTOUPDATE: "true"}
        labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        assert view["aggregationRule"] == {"clusterRoleSelectors": [{"matchLabels": labels}]}
        assert "extension-apiserver-authentication-reader" in names(
            (await api.get(f"{RBAC}/namespaces/kube-system/roles")).json()
        )


async def test_without_rules_there_are_no_roles_and_everybody_known_may_everything() -> None:
    async with serving(authorization="AlwaysAllow") as api, as_user(api, "jane") as jane, api.client() as nobody:
        assert names((await jane.get(f"{RBAC}/clusterroles")).json()) == []
        assert (await nobody.get(f"{DEFAULT}/pods")).status_code == 403
        assert (await nobody.get("/readyz/ping")).status_code == 200
        made = await jane.post(f"{RBAC}/clusterroles", json={"metadata": {"name": "r"}, "rules": []})
        assert "ClusterRole objects mean nothing under --authorization-mode=AlwaysAllow" in made.headers["warning"]


async def test_a_role_is_made_without_a_warning_where_it_counts() -> None:
    async with serving() as api:
        made = await api.http.post(f"{RBAC}/clusterroles", json={"metadata": {"name": "r"}, "rules": []})
        assert made.status_code == 201 and "warning" not in made.headers


async def test_a_start_adds_what_is_missing_and_leaves_what_was_added() -> None:
    storage, path = MemoryStorage(), f"{RBAC}/clusterroles/system:kube-dns"
    extra = {"verbs": ["get"], "apiGroups": ["x.io"], "resources": ["things"]}
    async with serving(storage) as api:
        await api.patch(path, {"rules": [extra], "metadata": {"labels": {"kubernetes.io/bootstrapping": None}}})
        kept = f"{RBAC}/clusterroles/system:heapster"
        await api.patch(kept, {"rules": [], "metadata": {"annotations": {AUTOUPDATE: "false"}}})
        await api.http.delete(f"{RBAC}/clusterroles/system:basic-user")
        await api.http.delete(f"{RBAC}/clusterrolebindings/cluster-admin")
        other = {"metadata": {"name": "cluster-admin"}, "subjects": []}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
        await api.make(f"{RBAC}/clusterrolebindings", {**other, "roleRef": reference})
    async with serving(storage) as api:
        role = (await api.get(path)).json()
        assert role["rules"][0] == extra and "services" in str(role["rules"][1:])
        assert role["metadata"]["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults"
        assert (await api.get(kept)).json().get("rules") in (None, [])
        assert (await api.get(f"{RBAC}/clusterroles/system:basic-user")).status_code == 200
        bound = (await api.get(f"{RBAC}/clusterrolebindings/cluster-admin")).json()
        assert bound["roleRef"]["name"] == "cluster-admin"


async def test_a_second_start_writes_nothing() -> None:
    storage = MemoryStorage()
    async with serving(storage) as api:
        authority = api.server.config.ca
    before = storage.revision
    async with serving(storage, ca=authority):
        assert storage.revision == before


@pytest.mark.parametrize("wanted", ROLES, ids=lambda role: role.name)
def test_a_role_as_it_is_made_needs_no_change(wanted: Role) -> None:
    assert reconciled(manifest(wanted), manifest(wanted)) == manifest(wanted)


def test_subjects_are_added_to_a_binding_and_none_is_taken() -> None:
    found = manifest(Binding("b", "r", (user("jane"),)))
    assert [each["name"] for each in reconciled(manifest(Binding("b", "r", (user("joe"),))), found)["subjects"]] == [
        "jane",
        "joe",
    ]


def test_a_rule_that_is_covered_is_not_added() -> None:
    found = manifest(Role("r", (rule("*", "*", "*"),)))
    assert reconciled(manifest(Role("r", (rule("get", "core", "pods"),))), found) == found
