"""Nobody gives what he has not."""

from __future__ import annotations

import pytest

from tests.apiserver.authorization.test_rbac import GROUP, HERE, PODS, RBAC, as_user, binding, role, user
from tests.apiserver.serving import serving

WRITE_ROLES = {"verbs": ["create", "update", "patch"], "apiGroups": [GROUP], "resources": ["roles", "rolebindings"]}


async def test_a_role_with_more_than_its_writer_has_is_refused_in_upstreams_words() -> None:
    async with serving() as api, as_user(api, "jane") as jane:
        await role(api, "mine", WRITE_ROLES, PODS)
        await api.make(f"{HERE}/rolebindings", binding("mine", "mine", user("jane")))
        wanted = {**PODS, "verbs": ["get", "list", "delete"]}
        answer = await jane.post(f"{HERE}/roles", json={"metadata": {"name": "more"}, "rules": [wanted]})
        assert answer.status_code == 403
        assert answer.json()["message"] == (
            'roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" (groups=["system:authenticated"]) is '
            "attempting to grant RBAC permissions not currently held:\n"
            '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}'
        )
        fine = await jane.post(f"{HERE}/roles", json={"metadata": {"name": "same"}, "rules": [PODS]})
        assert fine.status_code == 201
        widened = await jane.patch(
            f"{HERE}/roles/same",
            json={"rules": [wanted]},
            headers={"content-type": "application/merge-patch+json"},
        )
        assert widened.status_code == 403


@pytest.mark.parametrize("verb", ["escalate", "bind"])
async def test_who_may_escalate_or_bind_is_exempt(verb: str) -> None:
    async with serving() as api, as_user(api, "jane") as jane:
        exempt = {"verbs": [verb], "apiGroups": [GROUP], "resources": ["roles", "clusterroles"]}
        await role(api, "mine", WRITE_ROLES, exempt)
        await api.make(f"{HERE}/rolebindings", binding("mine", "mine", user("jane")))
        made = await jane.post(f"{HERE}/roles", json={"metadata": {"name": "more"}, "rules": [PODS]})
        assert made.status_code == (201 if verb == "escalate" else 403)
        bound = await jane.post(f"{HERE}/rolebindings", json=binding("more", "view", user("joe"), kind="ClusterRole"))
        await api.make(f"{HERE}/roles", {"metadata": {"name": "other"}, "rules": [PODS]})
        other = await jane.post(f"{HERE}/rolebindings", json=binding("other", "other", user("joe")))
        assert other.status_code == (201 if verb == "bind" else 403)
        assert bound.status_code == 201  # without controllers the role view has no rules to give


async def test_a_binding_to_a_role_that_is_not_there_gives_nothing_and_is_refused() -> None:
    async with serving() as api, as_user(api, "jane") as jane:
        await role(api, "mine", WRITE_ROLES)
        await api.make(f"{HERE}/rolebindings", binding("mine", "mine", user("jane")))
        answer = await jane.post(f"{HERE}/rolebindings", json=binding("new", "gone", user("jane")))
        assert answer.status_code == 404
        assert answer.json()["message"] == 'roles.rbac.authorization.k8s.io "gone" not found'


async def test_an_aggregated_role_is_for_those_who_may_everything() -> None:
    async with serving() as api, as_user(api, "jane") as jane:
        rule = {"verbs": ["create"], "apiGroups": [GROUP], "resources": ["clusterroles"]}
        await role(api, "mine", rule, cluster=True)
        await api.make(f"{RBAC}/clusterrolebindings", binding("mine", "mine", user("jane"), kind="ClusterRole"))
        gathers = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
        body = {"metadata": {"name": "all"}, "aggregationRule": gathers, "rules": []}
        answer = await jane.post(f"{RBAC}/clusterroles", json=body)
        assert answer.status_code == 403
        assert "must have cluster-admin privileges to use an aggregationRule" in answer.json()["message"]
        body["aggregationRule"] = {"clusterRoleSelectors": []}
        assert (
            "at least one clusterRoleSelector required" in (await api.http.post(f"{RBAC}/clusterroles", json=body)).text
        )
