"""The audit log: what a policy says is told, a JSON object a line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from podling.apiserver.audit.policy import LEVELS, PolicyError, parse, telling
from podling.apiserver.message import User
from podling.apiserver.routing import target_of
from tests.apiserver.authorization.test_rbac import as_user
from tests.apiserver.serving import DEFAULT, Api, serving
from tests.apiserver.test_webhooks import configure
from tests.apiserver.webhookserver import allow, webhook

Json = dict[str, Any]
MAPS = f"{DEFAULT}/configmaps"
SECURITY = "pod-security.kubernetes.io/"
HEAD = "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
EVERYTHING = HEAD + "rules: [{level: None, users: [system:apiserver]}, {level: RequestResponse}]"


@asynccontextmanager
async def audited(tmp_path: Path, text: str = EVERYTHING) -> AsyncIterator[Api]:
    async with serving(audit=parse(text), audit_log=tmp_path / "audit.log") as api:
        yield api


async def told(tmp_path: Path, count: int, **wanted: str) -> list[Json]:
    """So many events, once they are written, of those that say what is wanted."""
    async with asyncio.timeout(5):
        while True:
            path = tmp_path / "audit.log"
            lines = path.read_text().splitlines() if path.exists() else []
            found = [event for event in map(json.loads, lines) if event.items() >= wanted.items()]
            if len(found) >= count:
                assert len(found) == count, found
                return found
            await asyncio.sleep(0.02)


async def test_a_write_is_told_with_what_was_sent_and_answered(tmp_path: Path) -> None:
    async with audited(tmp_path) as api:
        answer = await api.http.post(
            MAPS, json={"metadata": {"name": "a"}, "data": {"k": "v"}}, params={"dryRun": "All"}
        )
        received, complete = await told(tmp_path, 2, verb="create")
        assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
        assert received["auditID"] == complete["auditID"] == answer.headers["audit-id"]
        assert "requestObject" not in received and complete["requestObject"]["data"] == {"k": "v"}
        assert complete["responseObject"]["metadata"]["uid"] and complete["responseStatus"]["code"] == 201
        assert complete["requestURI"] == f"{MAPS}?dryRun=All"
        assert complete["user"]["username"] == "kubernetes-admin" and "system:masters" in complete["user"]["groups"]
        assert complete["objectRef"] == {
            "resource": "configmaps",
            "namespace": "default",
            "name": "a",
            "apiVersion": "v1",
        }
        assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"
        assert complete["sourceIPs"] == ["127.0.0.1"] and complete["userAgent"].startswith("python-httpx")


async def test_a_level_tells_no_more_than_it_says(tmp_path: Path) -> None:
    rules = "rules: [{level: Metadata, verbs: [create]}, {level: Request, verbs: [update]}, {level: None}]"
    async with audited(tmp_path, f"{HEAD}omitStages: [RequestReceived]\nomitManagedFields: true\n{rules}") as api:
        made = await api.config_map("a")
        (created,) = await told(tmp_path, 1, verb="create")
        assert created["objectRef"]["name"] == "a" and created["level"] == "Metadata"
        assert "requestObject" not in created and "responseObject" not in created
        assert made["metadata"]["managedFields"]
        await api.http.put(f"{MAPS}/a", json=made)
        (updated,) = await told(tmp_path, 1, verb="update")
        assert "managedFields" not in updated["requestObject"]["metadata"] and "responseObject" not in updated
        await api.http.delete(f"{MAPS}/a")
        await api.http.put(f"{MAPS}/a", json=made)
        assert len(await told(tmp_path, 2, verb="update")) == 2
        assert not await told(tmp_path, 0, verb="delete")


async def test_who_was_refused_and_why_is_told(tmp_path: Path) -> None:
    async with audited(tmp_path) as api, as_user(api, "jane") as jane:
        await jane.get(MAPS)
        *_, refused = await told(tmp_path, 2, verb="list")
        assert refused["responseStatus"]["reason"] == "Forbidden" and refused["responseStatus"]["code"] == 403
        assert refused["annotations"]["authorization.k8s.io/decision"] == "forbid"
        async with api.client(token="nonsense") as stranger:
            await stranger.get(f"{MAPS}/x")
        (unknown,) = await told(tmp_path, 1, verb="get")
        assert unknown["user"] == {} and unknown["responseStatus"]["code"] == 401


async def test_both_are_named_where_one_acts_as_another(tmp_path: Path) -> None:
    async with audited(tmp_path) as api:
        await api.http.get(MAPS, headers={"Impersonate-User": "jane"})
        *_, done = await told(tmp_path, 2, verb="list")
        assert done["user"]["username"] == "kubernetes-admin"
        assert done["impersonatedUser"]["username"] == "jane"


async def test_a_watch_is_told_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    async with audited(tmp_path) as api:
        async with api.watching(MAPS) as events:
            await api.config_map("a")
            await anext(events)
            stages = [event["stage"] for event in await told(tmp_path, 2, verb="watch")]
            assert stages == ["RequestReceived", "ResponseStarted"]
        *_, complete = await told(tmp_path, 3, verb="watch")
        assert complete["stage"] == "ResponseComplete" and complete["responseStatus"]["code"] == 200


async def test_what_kubectl_sends_as_protobuf_is_told_as_an_object(tmp_path: Path) -> None:
    async with audited(tmp_path) as api:
        await api.kubectl("create", "configmap", "a", "--from-literal=k=v")
        *_, made = await told(tmp_path, 2, verb="create")
        assert made["requestObject"]["data"] == {"k": "v"} and made["objectRef"]["name"] == "a"


async def test_what_a_namespaces_audit_label_finds_is_noted(tmp_path: Path) -> None:
    async with audited(tmp_path) as api:
        await api.account()
        await api.patch("/api/v1/namespaces/default", {"metadata": {"labels": {f"{SECURITY}audit": "restricted"}}})
        await api.pod("p")
        *_, made = [event for event in await told(tmp_path, 4, verb="create") if "/pods" in event["requestURI"]]
        notes = made["annotations"]
        assert notes[f"{SECURITY}enforce-policy"] == "privileged:latest"
        assert notes[f"{SECURITY}audit-violations"].startswith('would violate PodSecurity "restricted:latest": ')


async def test_a_policy_may_only_note(tmp_path: Path) -> None:
    group = "/apis/admissionregistration.k8s.io/v1"
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}]
    validations = [{"expression": "true"}, {"expression": "false", "message": "no"}]
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": validations}
    async with audited(tmp_path) as api:
        await api.make(f"{group}/validatingadmissionpolicies", {"metadata": {"name": "quiet"}, "spec": spec})
        binding = {"policyName": "quiet", "validationActions": ["Audit"]}
        await api.make(f"{group}/validatingadmissionpolicybindings", {"metadata": {"name": "b"}, "spec": binding})
        await api.config_map("a")
        *_, made = await told(tmp_path, 2, verb="create", requestURI=MAPS)
        (failure,) = json.loads(made["annotations"]["validation.policy.admission.k8s.io/validation_failure"])
        assert failure == {
            "message": "no",
            "policy": "quiet",
            "binding": "b",
            "validationActions": ["Audit"],
            "expressionIndex": "1",
        }


async def test_a_webhook_may_note(tmp_path: Path) -> None:
    async with audited(tmp_path) as api, webhook(lambda review: allow(review, auditAnnotations={"k": "v"})) as hook:
        await configure(api, hook)
        await api.config_map("a")
        *_, made = await told(tmp_path, 2, verb="create", requestURI=MAPS)
        assert made["annotations"]["h.example.com/k"] == "v"


async def test_nothing_waits_when_the_server_stops(tmp_path: Path) -> None:
    async with audited(tmp_path) as api:
        await api.config_map("last")
    assert '"name":"last"' in (tmp_path / "audit.log").read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind: Policy", "unknown group version"),
        (HEAD, "0 rules"),
        (HEAD + "rules: [{}]", r"rules\[0\].level: Required value"),
        (HEAD + "rules: [{level: Much}]", 'Unsupported value: "Much"'),
        (HEAD + "rules: [{level: Request, omitStages: [End]}]", "allowed stages are RequestReceived"),
        (HEAD + "rules: [{level: Request, nonResourceURLs: [x]}]", "must begin with /"),
        (HEAD + 'rules: [{level: Request, nonResourceURLs: ["/x"], namespaces: [a]}]', "cannot apply to both"),
        (HEAD + "rules: [{level: Request, verb: get}]", "unknown field `verb`"),
        ("]", "failed decoding"),
    ],
)
def test_a_policy_has_to_be_one(text: str, why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        parse(text)


@pytest.mark.parametrize(
    ("rule", "path", "level"),
    [
        ("{users: [jane]}", "/api/v1/pods", "Metadata"),
        ("{users: [joe]}", "/api/v1/pods", "None"),
        ("{userGroups: [staff, x]}", "/api/v1/pods", "Metadata"),
        ("{verbs: [list]}", "/api/v1/pods", "Metadata"),
        ("{verbs: [get]}", "/api/v1/pods", "None"),
        ("{namespaces: ['']}", "/api/v1/nodes", "Metadata"),
        ("{namespaces: [a]}", "/api/v1/namespaces/a/pods/p", "Metadata"),
        ("{resources: [{group: ''}]}", "/apis/apps/v1/deployments", "None"),
        ("{resources: [{group: apps}]}", "/apis/apps/v1/deployments", "Metadata"),
        ("{resources: [{resources: [pods]}]}", "/api/v1/namespaces/a/pods/p/log", "None"),
        ("{resources: [{resources: [pods/log]}]}", "/api/v1/namespaces/a/pods/p/log", "Metadata"),
        ("{resources: [{resources: [pods/*]}]}", "/api/v1/namespaces/a/pods/p/log", "Metadata"),
        ("{resources: [{resources: ['*/log']}]}", "/api/v1/namespaces/a/pods/p/log", "Metadata"),
        ("{resources: [{resources: [pods], resourceNames: [q]}]}", "/api/v1/namespaces/a/pods/p", "None"),
        ("{resources: [{resources: [pods]}]}", "/version", "None"),
        ("{nonResourceURLs: ['/heal*']}", "/healthz", "Metadata"),
        ("{nonResourceURLs: ['/heal*']}", "/api/v1/pods", "None"),
    ],
)
def test_the_first_rule_that_fits_counts(rule: str, path: str, level: str) -> None:
    policy = parse(f"{HEAD}rules: [{{level: Metadata, {rule[1:]}, {{level: None}}]")
    target = target_of("GET", path, ())
    found = telling(policy, User("jane", ("staff",)), "get" if target is None else target.verb, path, target)
    assert LEVELS[found.level] == level
