"""Admission webhooks that know one version of a custom resource, while clients write another, and a third webhook
converts between them."""

from __future__ import annotations

from typing import Any

from tests.apiserver.customresources.crontabs import GROUP, defined
from tests.apiserver.customresources.test_conversion import V1, V2, answer, converted, stored, v1, v2
from tests.apiserver.serving import Api, serving
from tests.apiserver.webhookserver import Webhook, allow, patched, webhook

Json = dict[str, Any]


async def configure(api: Api, hook: Webhook, kind: str, version: str) -> None:
    rule = {"apiGroups": [GROUP], "apiVersions": [version], "resources": ["crontabs"], "operations": ["*"]}
    body = {
        "name": f"{kind}.example.com",
        "clientConfig": hook.config(),
        "rules": [rule],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    path = f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"
    await api.make(path, {"metadata": {"name": kind}, "webhooks": [body]})


def renamed(review: Json) -> Json:
    if review["request"]["operation"] == "DELETE":
        return allow(review)
    return patched(review, {"op": "replace", "path": "/host", "value": "changed"})


async def test_each_webhook_sees_the_version_it_asked_for_and_what_it_changes_is_stored() -> None:
    async with serving() as api, webhook(answer) as converter, webhook(renamed) as mutator, webhook(allow) as judge:
        await defined(api, converted(converter))
        await configure(api, mutator, "mutating", "v2")
        await configure(api, judge, "validating", "v1")
        made = await api.make(V1, v1("one", "a:1"))
        assert made["hostPort"] == "changed:1"
        assert (await stored(api, "one"))["hostPort"] == "changed:1"
        assert {each["request"]["object"]["host"] for each in mutator.asked} == {"a"}
        assert {each["request"]["kind"]["version"] for each in mutator.asked} == {"v2"}
        assert {each["request"]["requestKind"]["version"] for each in mutator.asked} == {"v1"}
        assert {each["request"]["object"]["hostPort"] for each in judge.asked} == {"changed:1"}
        assert (len(mutator.asked), len(judge.asked)) == (1, 1)
        judge.asked.clear()
        made = await api.make(V2, v2("two", "b", "2"))
        assert (made["host"], made["port"]) == ("changed", "2")
        assert {each["request"]["object"]["hostPort"] for each in judge.asked} == {"changed:2"}
        assert (await api.patch(f"{V2}/two", {"port": "3"})).json()["port"] == "3"
        assert (await stored(api, "two"))["hostPort"] == "changed:3"
        judge.asked.clear()
        assert (await api.http.delete(f"{V2}/two")).status_code == 200
        assert judge.asked[-1]["request"]["oldObject"]["hostPort"] == "changed:3"
