"""Reviews are new objects too: webhooks and policies may have a say about them."""

from __future__ import annotations

from typing import Any

from tests.apiserver.serving import serving
from tests.apiserver.test_webhooks import configure, refusal, rule
from tests.apiserver.webhookserver import allow, deny, webhook

Json = dict[str, Any]
AUTHORIZATION = "/apis/authorization.k8s.io/v1"
ACCESS = f"{AUTHORIZATION}/subjectaccessreviews"
ATTRIBUTES = {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "absent"}}


async def test_a_webhook_may_refuse_a_review() -> None:
    async with serving() as api, webhook(lambda review: deny(review, code=403, message="no questions")) as hook:
        await configure(api, hook, rule("subjectaccessreviews", group="authorization.k8s.io"))
        code, said = await refusal(api, {"spec": {**ATTRIBUTES, "user": "jane"}}, ACCESS)
        assert code == 403 and "no questions" in said
        assert hook.asked[0]["request"]["object"]["spec"]["user"] == "jane"
        own = await api.http.post(f"{AUTHORIZATION}/selfsubjectaccessreviews", json={"spec": ATTRIBUTES})
        assert own.json()["status"]["allowed"] is True


async def test_a_review_may_be_about_a_namespace_that_is_not_there() -> None:
    async with serving() as api, webhook(allow) as hook:
        await configure(api, hook, rule("*", group="authorization.k8s.io"))
        path = f"{AUTHORIZATION}/namespaces/absent/localsubjectaccessreviews"
        answer = await api.http.post(path, json={"spec": {**ATTRIBUTES, "user": "jane"}})
        assert (answer.status_code, answer.json()["status"]) == (201, {"allowed": False})
        assert len(hook.asked) == 1


async def test_a_policy_may_refuse_a_review() -> None:
    group = "/apis/admissionregistration.k8s.io/v1"
    rules = [
        {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["selfsubjectrulesreviews"], "operations": ["CREATE"]}
    ]
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": "false", "message": "never"}]}
    binding = {"policyName": "quiet", "validationActions": ["Deny"]}
    async with serving() as api:
        await api.make(f"{group}/validatingadmissionpolicies", {"metadata": {"name": "quiet"}, "spec": spec})
        await api.make(f"{group}/validatingadmissionpolicybindings", {"metadata": {"name": "quiet"}, "spec": binding})
        path = f"{AUTHORIZATION}/selfsubjectrulesreviews"
        code, said = await refusal(api, {"spec": {"namespace": "default"}}, path)
        assert code == 422 and "denied request: never" in said
