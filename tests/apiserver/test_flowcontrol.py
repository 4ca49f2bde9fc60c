"""Flow schemas and priority levels: which there are, that they stay, and what answers say of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from podling.apiserver.flowcontrol.classifying import matches
from podling.apiserver.flowcontrol.objects import AUTOUPDATE, LEVELS, SCHEMAS
from podling.apiserver.message import Request, User
from podling.apiserver.routing import target_of
from tests.apiserver.authorization.test_rbac import as_user
from tests.apiserver.serving import DEFAULT, Api, serving

BASE = "/apis/flowcontrol.apiserver.k8s.io/v1"
FLOWS, LEVEL_PATH = f"{BASE}/flowschemas", f"{BASE}/prioritylevelconfigurations"
SCHEMA_UID, LEVEL_UID = "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid"
Json = dict[str, Any]


async def until(api: Api, path: str, holds: Callable[[Json], Any]) -> Json:
    async with asyncio.timeout(10):
        while not holds(found := (await api.get(path)).json()):
            await asyncio.sleep(0.02)
    return dict(found)


async def complete(api: Api) -> None:
    """All of them are there, and their conditions."""
    last = list(SCHEMAS)[-1]
    await until(api, f"{FLOWS}/{last}", lambda found: found.get("metadata", {}).get("name") == last)
    await until(api, f"{FLOWS}/exempt", lambda found: found.get("status", {}).get("conditions"))


async def test_a_cluster_has_those_of_kubernetes() -> None:
    async with serving() as api:
        await complete(api)
        found = {each["metadata"]["name"]: each["spec"] for each in (await api.get(FLOWS)).json()["items"]}
        assert found == SCHEMAS
        levels = {each["metadata"]["name"]: each["spec"] for each in (await api.get(LEVEL_PATH)).json()["items"]}
        assert levels == LEVELS
        table = await api.kubectl("get", "flowschemas", "probes")
        assert table.out.splitlines()[1].split()[:3] == ["probes", "exempt", "2"]
        assert table.out.split()[-1] == "False"


async def test_mandatory_ones_are_mended_and_others_as_their_annotation_says() -> None:
    async with serving() as api:
        await complete(api)
        await api.http.delete(f"{FLOWS}/catch-all")
        await until(api, f"{FLOWS}/catch-all", lambda found: found.get("spec") == SCHEMAS["catch-all"])
        await api.patch(f"{LEVEL_PATH}/catch-all", {"spec": {"limited": {"nominalConcurrencyShares": 77}}})
        await until(api, f"{LEVEL_PATH}/catch-all", lambda found: found["spec"] == LEVELS["catch-all"])
        ours = {"metadata": {"annotations": {AUTOUPDATE: "false"}}, "spec": {"matchingPrecedence": 777}}
        await api.patch(f"{FLOWS}/service-accounts", ours)
        await api.patch(f"{FLOWS}/kube-scheduler", {"spec": {"matchingPrecedence": 777}})
        await until(api, f"{FLOWS}/kube-scheduler", lambda found: found["spec"] == SCHEMAS["kube-scheduler"])
        assert (await api.get(f"{FLOWS}/service-accounts")).json()["spec"]["matchingPrecedence"] == 777


async def uid(api: Api, path: str) -> str:
    return str((await api.get(path)).json()["metadata"]["uid"])


async def test_an_answer_says_where_its_request_belongs() -> None:
    async with serving() as api, as_user(api, "jane") as jane:
        await complete(api)
        admin = await api.get(f"{DEFAULT}/pods")
        assert admin.headers[SCHEMA_UID] == await uid(api, f"{FLOWS}/exempt")
        assert admin.headers[LEVEL_UID] == await uid(api, f"{LEVEL_PATH}/exempt")
        refused = await jane.get(f"{DEFAULT}/pods")
        assert (refused.status_code, refused.headers[SCHEMA_UID]) == (403, await uid(api, f"{FLOWS}/global-default"))
        assert (await jane.get("/livez")).headers[SCHEMA_UID] == await uid(api, f"{FLOWS}/probes")


async def test_a_schema_of_ones_own_counts_as_soon_as_its_level_is_there() -> None:
    subject = {"kind": "User", "user": {"name": "jane"}}
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["pods"], "namespaces": ["default"]}
    spec = {"priorityLevelConfiguration": {"name": "slow"}, "matchingPrecedence": 50}
    spec["rules"] = [{"subjects": [subject], "resourceRules": [rule]}]
    async with serving() as api, as_user(api, "jane") as jane:
        await complete(api)
        made = await api.make(FLOWS, {"metadata": {"name": "janes"}, "spec": spec})
        default = await uid(api, f"{FLOWS}/global-default")
        assert (await jane.get(f"{DEFAULT}/pods")).headers[SCHEMA_UID] == default
        level = await api.make(LEVEL_PATH, {"metadata": {"name": "slow"}, "spec": LEVELS["catch-all"]})
        found = (await jane.get(f"{DEFAULT}/pods")).headers
        assert (found[SCHEMA_UID], found[LEVEL_UID]) == (made["metadata"]["uid"], level["metadata"]["uid"])
        assert (await jane.get(f"{DEFAULT}/secrets")).headers[SCHEMA_UID] == default


@pytest.mark.parametrize(
    ("schema", "user", "method", "path", "fits"),
    [
        ("system-node-high", User("system:node:a", ("system:nodes",)), "GET", "/api/v1/nodes/a", True),
        ("system-node-high", User("system:node:a", ("system:nodes",)), "GET", "/api/v1/pods", False),
        ("system-nodes", User("system:node:a", ("system:nodes",)), "GET", "/api/v1/pods", True),
        ("kube-system-service-accounts", User("system:serviceaccount:kube-system:x"), "GET", "/api/v1/pods", True),
        ("kube-system-service-accounts", User("system:serviceaccount:default:x"), "GET", "/api/v1/pods", False),
        ("endpoint-controller", User("system:serviceaccount:kube-system:y"), "GET", "/api/v1/endpoints", False),
        ("probes", User("x", ("system:authenticated",)), "GET", "/readyz", True),
        ("probes", User("x", ("system:authenticated",)), "GET", "/version", False),
    ],
)
def test_whom_and_what_a_schema_is_about(schema: str, user: User, method: str, path: str, fits: bool) -> None:
    request = Request(method, path)
    request.target = target_of(method, path, ())
    assert matches(SCHEMAS[schema]["rules"], user, request) is fits
