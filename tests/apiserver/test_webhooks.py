"""Admission webhooks as their authors and their users know them: who is asked, with what, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import Any

from podling.storage.memory import MemoryStorage
from tests.apiserver.serving import DEFAULT, Api, serving
from tests.apiserver.webhookserver import Webhook, allow, deny, patched, webhook

Json = dict[str, Any]
MAPS = f"{DEFAULT}/configmaps"
GROUP = "/apis/admissionregistration.k8s.io/v1"


def rule(*resources: str, operations: tuple[str, ...] = ("CREATE",), group: str = "", version: str = "v1") -> Json:
    return {"apiGroups": [group], "apiVersions": [version], "resources": list(resources), "operations": [*operations]}


async def configure(
    api: Api, hook: Webhook, *rules: Json, kind: str = "validating", name: str = "h", **more: Any
) -> None:
    """One webhook, by default for new ConfigMaps."""
    body = {
        "name": f"{name}.example.com",
        "clientConfig": hook.config(),
        "rules": [*rules] or [rule("configmaps")],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }
    await api.make(f"{GROUP}/{kind}webhookconfigurations", {"metadata": {"name": name}, "webhooks": [body]})


def map_of(name: str = "a", **metadata: Any) -> Json:
    return {"metadata": {"name": name, **metadata}, "data": {"key": "value"}}


async def refusal(api: Api, body: Json, path: str = MAPS) -> tuple[int, str]:
    answer = await api.http.post(path, json=body)
    assert answer.status_code >= 400, answer.text
    return answer.status_code, answer.json()["message"]


async def test_a_validating_webhook_is_asked_with_a_whole_review_and_its_no_is_told() -> None:
    async with serving() as api, webhook(allow) as hook:
        await configure(api, hook)
        made = await api.config_map("a")
        (review,) = hook.asked
        assert (review["apiVersion"], review["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        asked = review["request"]
        assert asked["kind"] == asked["requestKind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
        assert asked["resource"] == {"group": "", "version": "v1", "resource": "configmaps"}
        assert (asked["name"], asked["namespace"], asked["operation"]) == ("a", "default", "CREATE")
        assert asked["userInfo"]["username"] == "kubernetes-admin" and "system:masters" in asked["userInfo"]["groups"]
        assert asked["object"]["metadata"]["uid"] == made["metadata"]["uid"]
        assert (asked["oldObject"], asked["dryRun"]) == (None, False)
        assert asked["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
        hook.handler = lambda review: deny(review, message="not today", code=403, reason="Forbidden")
        said = 'admission webhook "h.example.com" denied the request: not today'
        assert await refusal(api, map_of("b")) == (403, said)
        hook.handler = deny
        said = 'admission webhook "h.example.com" denied the request without explanation'
        assert await refusal(api, map_of("b")) == (400, said)
        assert (await api.get(f"{MAPS}/b")).status_code == 404


async def test_updates_show_both_states_and_deletions_the_old_one() -> None:
    async with serving() as api, webhook(allow) as hook:
        await configure(api, hook, rule("configmaps", operations=("UPDATE", "DELETE")))
        made = await api.config_map("a")
        assert (await api.patch(f"{MAPS}/a", {"data": {"key": "new"}})).status_code == 200
        assert (await api.http.delete(f"{MAPS}/a", params={"gracePeriodSeconds": "3"})).status_code == 200
        update, delete = (each["request"] for each in hook.asked)
        assert (update["oldObject"]["data"], update["object"]["data"]) == ({"key": "value"}, {"key": "new"})
        assert update["oldObject"]["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        assert update["options"]["kind"] == "PatchOptions"
        assert (delete["object"], delete["oldObject"]["data"]) == (None, {"key": "new"})
        assert delete["options"] == {
            "kind": "DeleteOptions",
            "apiVersion": "meta.k8s.io/v1",
            "gracePeriodSeconds": 3,
        }


async def test_a_mutating_webhook_sees_no_uid_and_what_it_adds_is_stored_with_defaults() -> None:
    def sidecar(review: Json) -> Json:
        assert "uid" not in review["request"]["object"]["metadata"]
        return patched(
            review, {"op": "add", "path": "/spec/containers/-", "value": {"name": "side", "image": "y:latest"}}
        )

    async with serving() as api, webhook(sidecar) as hook:
        await api.account()
        await configure(api, hook, rule("pods"), kind="mutating")
        made = await api.pod("p")
        side = made["spec"]["containers"][1]
        assert (side["name"], side["imagePullPolicy"]) == ("side", "Always")
        # The plugins ran once more: the sidecar has its token too, in the volume of the others.
        assert side["volumeMounts"] == made["spec"]["containers"][0]["volumeMounts"]
        assert len(made["spec"]["volumes"]) == 1
        fields = made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"]
        assert list(fields) == [".", 'k:{"name":"main"}']
        assert len(hook.asked) == 1


async def test_a_generated_name_comes_after_mutation_and_before_validation() -> None:
    async with serving() as api, webhook(allow) as first, webhook(allow) as second:
        await configure(api, first, kind="mutating")
        await configure(api, second, kind="validating")
        made = await api.make(MAPS, {"metadata": {"generateName": "x-"}})
        asked = [hook.asked[0]["request"] for hook in (first, second)]
        assert "name" not in asked[0] and "name" not in asked[0]["object"]["metadata"]
        assert asked[1]["name"] == made["metadata"]["name"]


async def test_what_a_patch_makes_is_validated_and_a_wrong_patch_is_our_error() -> None:
    async with serving() as api, webhook(allow) as hook:
        await configure(api, hook, kind="mutating")
        hook.handler = lambda review: patched(review, {"op": "add", "path": "/metadata/labels", "value": {"a": "-b-"}})
        code, message = await refusal(api, map_of())
        assert (code, message[:30]) == (422, 'ConfigMap "a" is invalid: meta')
        hook.handler = lambda review: patched(review, {"op": "remove", "path": "/data/nothing"})
        said = 'remove operation does not apply: doc is missing path: "/data/nothing": missing value'
        assert await refusal(api, map_of()) == (500, f"Internal error occurred: {said}")
        hook.handler = lambda review: patched(review, {"op": "add", "path": "/data", "value": 3})
        assert (await refusal(api, map_of()))[0] == 500
        hook.handler = lambda review: allow(review, patch="W10=")
        said = "received invalid webhook response: webhook returned response.patch but not response.patchType"
        wanted = f'Internal error occurred: failed calling webhook "h.example.com": {said}'
        assert await refusal(api, map_of()) == (500, wanted)


async def test_mutating_webhooks_are_asked_in_order_and_again_where_they_want_it() -> None:
    def count(review: Json) -> Json:
        labels = review["request"]["object"]["metadata"].get("labels", {})
        return patched(review, {"op": "add", "path": "/metadata/labels", "value": {**labels, "seen": str(len(labels))}})

    def other(review: Json) -> Json:
        return patched(review, {"op": "add", "path": "/metadata/labels/other", "value": "yes"})

    async with serving() as api, webhook(count) as first, webhook(other) as second:
        await configure(api, second, kind="mutating", name="b")
        await configure(api, first, kind="mutating", name="a", reinvocationPolicy="IfNeeded")
        made = await api.config_map("x")
        assert (len(first.asked), len(second.asked)) == (2, 1)
        assert made["metadata"]["labels"] == {"seen": "2", "other": "yes"}
        assert first.asked[1]["request"]["object"]["metadata"]["labels"] == {"seen": "0", "other": "yes"}


async def test_failure_policy_decides_what_silence_means() -> None:
    async def never(_: Json) -> Json:
        await asyncio.Event().wait()
        return {}

    async with serving() as api, webhook(never) as hook:
        await configure(api, hook, timeoutSeconds=1)
        url = f"https://127.0.0.1:{hook.port}/?timeout=1s"
        said = f'failed to call webhook: Post "{url}": context deadline exceeded'
        wanted = f'Internal error occurred: failed calling webhook "h.example.com": {said}'
        assert await refusal(api, map_of()) == (500, wanted)
        path = f"{GROUP}/validatingwebhookconfigurations/h"
        assert (await api.http.delete(path)).status_code == 200
        await configure(api, hook, name="i", failurePolicy="Ignore", timeoutSeconds=1)
        await api.config_map("a")


async def test_a_webhook_with_side_effects_is_not_asked_about_a_dry_run() -> None:
    async with serving() as api, webhook(allow) as hook:
        await configure(api, hook)
        await api.make(MAPS, map_of(), dryRun="All")
        assert hook.asked[0]["request"]["dryRun"] is True
        assert hook.asked[0]["request"]["options"]["dryRun"] == ["All"]
        # v1 lets none but these be written; a stored older one may say otherwise.
        body = (await api.get(f"{GROUP}/validatingwebhookconfigurations/h")).json()
        body["webhooks"][0]["sideEffects"] = "Some"
        assert (await api.http.put(f"{GROUP}/validatingwebhookconfigurations/h", json=body)).status_code == 422


async def test_selectors_and_scopes_choose() -> None:
    async with serving() as api, webhook(allow) as hook:
        await api.make("/api/v1/namespaces", {"metadata": {"name": "watched", "labels": {"watch": "me"}}})
        await configure(api, hook, namespaceSelector={"matchLabels": {"watch": "me"}})
        await configure(api, hook, name="o", objectSelector={"matchLabels": {"app": "x"}})
        await configure(api, hook, {**rule("*"), "scope": "Cluster"}, name="c")
        await api.config_map("plain")
        assert not hook.asked
        await api.config_map("a", "watched")
        await api.config_map("b", labels={"app": "x"})
        await api.make("/api/v1/namespaces", {"metadata": {"name": "other"}})
        assert [each["request"]["name"] for each in hook.asked] == ["a", "b", "other"]


async def test_another_version_of_the_resource_is_converted_to_that_of_the_rule() -> None:
    async with serving() as api, webhook(allow) as hook:
        await configure(api, hook, rule("deployments", group="apps"))
        await configure(api, hook, rule("deployments", group="apps"), name="exact", matchPolicy="Exact")
        selector = {"matchLabels": {"a": "b"}}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "m", "image": "x"}]}}
        body = {"metadata": {"name": "d"}, "spec": {"selector": selector, "template": template}}
        await api.make("/apis/apps/v1beta2/namespaces/default/deployments", body)
        (asked,) = (each["request"] for each in hook.asked)
        assert asked["kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
        assert asked["requestKind"]["version"] == "v1beta2"
        assert asked["object"]["apiVersion"] == "apps/v1"


async def test_subresources_are_asked_about_only_where_a_rule_names_them() -> None:
    async with serving() as api, webhook(allow) as hook:
        await api.account()
        await configure(api, hook, rule("pods/*", "*/scale", "serviceaccounts/token", operations=("*",)))
        await api.pod("p")
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
        await api.make(f"{DEFAULT}/pods/p/binding", binding)
        assert (await api.patch(f"{DEFAULT}/pods/p/status", {"status": {"message": "x"}})).status_code == 200
        await api.make(f"{DEFAULT}/serviceaccounts/default/token", {"spec": {"expirationSeconds": 600}})
        asked = [each["request"] for each in hook.asked]
        assert asked[3]["name"] == "default" and asked[3]["object"]["spec"]["expirationSeconds"] == 600
        assert [(each.get("subResource"), each["operation"], each["kind"]["kind"]) for each in asked] == [
            (None, "CREATE", "Pod"),
            ("binding", "CREATE", "Binding"),
            ("status", "UPDATE", "Pod"),
            ("token", "CREATE", "TokenRequest"),
        ]


async def test_a_scale_is_shown_as_a_scale_and_can_be_changed() -> None:
    def more(review: Json) -> Json:
        return patched(review, {"op": "replace", "path": "/spec/replicas", "value": 5})

    async with serving() as api, webhook(more) as hook:
        await configure(api, hook, rule("*/scale", group="apps", operations=("UPDATE",)), kind="mutating")
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "m", "image": "x"}]}}
        spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
        path = "/apis/apps/v1/namespaces/default/deployments"
        await api.make(path, {"metadata": {"name": "d"}, "spec": spec})
        answer = await api.patch(f"{path}/d/scale", {"spec": {"replicas": 2}})
        assert answer.json()["spec"]["replicas"] == 5
        (asked,) = (each["request"] for each in hook.asked)
        assert asked["kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        assert (asked["oldObject"]["spec"], asked["object"]["spec"]) == ({"replicas": 1}, {"replicas": 2})


async def test_warnings_reach_the_client() -> None:
    async with serving() as api, webhook(lambda review: allow(review, warnings=["mind the gap"])) as hook:
        await configure(api, hook)
        answer = await api.http.post(MAPS, json=map_of())
        assert answer.headers["warning"] == '299 - "mind the gap"'


async def test_configurations_themselves_are_never_asked_about() -> None:
    async with serving() as api, webhook(deny) as hook:
        await configure(api, hook, rule("*/*", group="*", version="*", operations=("*",)))
        assert (await refusal(api, map_of()))[0] == 400
        assert (await api.http.delete(f"{GROUP}/validatingwebhookconfigurations/h")).status_code == 200
        await api.config_map("a")


async def test_the_older_review_is_spoken_too() -> None:
    def old(review: Json) -> Json:
        answer = patched(review, {"op": "add", "path": "/data/more", "value": "yes"})
        del answer["response"]["patchType"], answer["response"]["uid"]
        return answer

    async with serving() as api, webhook(old) as hook:
        await configure(api, hook, kind="mutating", admissionReviewVersions=["v9", "v1beta1"])
        assert (await api.config_map("a"))["data"] == {"key": "value", "more": "yes"}
        assert hook.asked[0]["apiVersion"] == "admission.k8s.io/v1beta1"


async def test_validating_webhooks_are_asked_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    async def together(review: Json) -> Json:
        async with asyncio.timeout(3):
            await both.wait()
        return allow(review)

    async with serving() as api, webhook(together) as first, webhook(together) as second:
        await configure(api, first, name="a", timeoutSeconds=5)
        await configure(api, second, name="b", timeoutSeconds=5)
        await api.config_map("x")


async def test_custom_resources_are_asked_about_like_any_other() -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    crd = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }

    def colour(review: Json) -> Json:
        return patched(review, {"op": "add", "path": "/spec/colour", "value": "red"})

    async with serving() as api, webhook(colour) as hook:
        await api.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        path = "/apis/example.com/v1/namespaces/default/widgets"
        async with asyncio.timeout(5):
            while (await api.get(path)).status_code != 200:
                await asyncio.sleep(0.01)
        await configure(api, hook, rule("widgets", group="example.com"), kind="mutating")
        made = await api.make(
            path, {"kind": "Widget", "apiVersion": "example.com/v1", "metadata": {"name": "w"}, "spec": {}}
        )
        assert made["spec"] == {"colour": "red"}


async def test_no_webhook_keeps_the_server_from_what_every_cluster_has() -> None:
    storage = MemoryStorage()
    async with webhook(deny) as hook:
        async with serving(storage, priority_classes={"system-node-critical": 2000001000}) as api:
            await configure(api, hook, rule("*/*", group="*", version="*", operations=("*",)))
            assert (await refusal(api, map_of()))[0] == 400
            assert (await api.http.delete("/apis/apiregistration.k8s.io/v1/apiservices/v1.apps")).status_code == 400
        hook.asked.clear()
        async with serving(storage) as api:
            new = "/apis/scheduling.k8s.io/v1/priorityclasses/system-cluster-critical"
            assert (await api.get(new)).status_code == 200
            assert (await refusal(api, map_of()))[0] == 400
        assert len(hook.asked) == 1


async def test_an_update_that_changes_nothing_may_be_refused_too() -> None:
    async with serving() as api, webhook(deny) as hook:
        await api.config_map("a")
        await configure(api, hook, rule("configmaps", operations=("UPDATE",)))
        assert (await api.patch(f"{MAPS}/a", {"data": {"key": "value"}})).status_code == 400
