"""Acting as somebody else has to be allowed for each thing one puts on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.authorization.test_rbac import RBAC, as_user, binding, role, user
from tests.apiserver.serving import serving

WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def rule(group: str, resources: str, *names: str) -> dict[str, Any]:
    return {"verbs": ["impersonate"], "apiGroups": [group], "resources": [resources], "resourceNames": list(names)}


async def test_each_part_of_another_identity_is_asked_for() -> None:
    async with serving() as api, as_user(api, "bob") as bob:
        rules = (
            rule("", "users", "jane"),
            rule("", "groups", "devs"),
            rule("", "serviceaccounts", "robot"),
            rule("authentication.k8s.io", "uids", "u"),
            rule("authentication.k8s.io", "userextras/scopes", "view"),
        )
        await role(api, "actor", *rules, cluster=True)
        await api.make(f"{RBAC}/clusterrolebindings", binding("actor", "actor", user("bob"), kind="ClusterRole"))
        headers = {
            "impersonate-user": "jane",
            "impersonate-group": "devs",
            "impersonate-uid": "u",
            "impersonate-extra-scopes": "view",
        }
        review = await bob.post(WHOAMI, json={}, headers=headers)
        assert review.json()["status"]["userInfo"] == {
            "username": "jane",
            "uid": "u",
            "groups": ["devs", "system:authenticated"],
            "extra": {"scopes": ["view"]},
        }
        account = await bob.post(WHOAMI, json={}, headers={"impersonate-user": "system:serviceaccount:default:robot"})
        assert account.json()["status"]["userInfo"]["groups"] == [
            "system:serviceaccounts",
            "system:serviceaccounts:default",
            "system:authenticated",
        ]
        for change in (
            {"impersonate-user": "joe"},
            {"impersonate-group": "admins"},
            {"impersonate-uid": "v"},
            {"impersonate-extra-scopes": "edit"},
        ):
            assert (await bob.post(WHOAMI, json={}, headers={**headers, **change})).status_code == 403, change


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (
            {"impersonate-user": "jane"},
            'users "jane" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster '
            "scope",
        ),
        (
            {"impersonate-user": "system:serviceaccount:default:robot"},
            'serviceaccounts "robot" is forbidden: User "bob" cannot impersonate resource "serviceaccounts" in API '
            'group "" in the namespace "default"',
        ),
    ],
)
async def test_who_may_not_act_as_others_is_told_so(headers: dict[str, str], message: str) -> None:
    async with serving() as api, as_user(api, "bob") as bob:
        answer = await bob.post(WHOAMI, json={}, headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (403, message)


async def test_groups_without_a_user_are_a_bad_request() -> None:
    async with serving() as api:
        answer = await api.http.get("/version", headers={"impersonate-group": "devs"})
        assert answer.status_code == 400
