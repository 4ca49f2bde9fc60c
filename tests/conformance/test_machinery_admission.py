"""sig-api-machinery: admission webhooks, by real HTTPS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.definitions import DEFINITIONS, defined, definition, served
from tests.conformance.hooks import GROUP, Hooks, adding, allowed, configured, denied, hooking, patching, rule, unwanted
from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import discovered, refused

KIND = "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin]"
EVERY = ("CREATE", "UPDATE", "DELETE")


@pytest.fixture(scope="module")
def hooks() -> Iterator[Hooks]:
    with hooking() as found:
        yield found


def map_of(name: str, **data: str) -> Json:
    return {"metadata": {"name": name}, "data": {"mutation-start": "yes", **data}}


def pod(name: str, container: str = "main") -> Json:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": container, "image": "x"}]}}


@pytest.mark.conformance(f"{KIND} should include webhook resources in discovery documents [Conformance]")
def test_configurations_are_discovered(kube: Kube) -> None:
    for kind in ("Mutating", "Validating"):
        found = discovered(kube, kube.at(f"{GROUP}/{kind.lower()}webhookconfigurations"))
        assert (found["kind"], found["namespaced"]) == (f"{kind}WebhookConfiguration", False)


@pytest.mark.conformance(f"{KIND} should be able to deny pod and configmap creation [Conformance]")
def test_pods_and_configmaps_are_denied(kube: Kube, namespace: str, hooks: Hooks) -> None:
    pods = unwanted("the pod contains unwanted container name", lambda p: p["spec"]["containers"][0]["name"] == "bad")
    maps = unwanted("the configmap contains unwanted key and value", lambda m: "webhook-e2e-test" in (m["data"] or {}))
    webhooks = (
        hooks.webhook("/deny-pods", namespace, pods, rule("pods")),
        hooks.webhook("/deny-maps", namespace, maps, rule("configmaps", operations=("CREATE", "UPDATE"))),
    )
    with configured(kube, "validating", f"deny-{namespace}", *webhooks):
        found = refused(lambda: kube.at("v1/pods", namespace).create(pod("p", "bad")))
        said = 'admission webhook "deny-pods.example.com" denied the request: the pod contains unwanted container name'
        assert (found.code, found.message) == (400, said)
        kube.at("v1/pods", namespace).create(pod("p"))
        resource = kube.at("v1/configmaps", namespace)
        bad = {"webhook-e2e-test": "webhook-disallow"}
        assert "unwanted key and value" in refused(lambda: resource.create(map_of("a", **bad))).message
        resource.create(map_of("a"))
        assert "unwanted key and value" in refused(lambda: resource.patch("a", {"data": bad})).message
        kube.at("v1/namespaces").create({"metadata": {"name": f"{namespace}-free"}})
        kube.at("v1/configmaps", f"{namespace}-free").create(map_of("a", **bad))
        kube.at("v1/namespaces").delete(f"{namespace}-free")


@pytest.mark.conformance(f"{KIND} should be able to deny attaching pod [Conformance]")
def test_attaching_is_denied(kube: Kube, namespace: str, hooks: Hooks) -> None:
    kube.at("v1/pods", namespace).create(pod("p"))
    kube.at("v1/pods", namespace).until("p", lambda found: found["spec"].get("nodeName"))
    webhook = hooks.webhook(
        "/deny-attach", namespace, denied("attaching to pod 'to-be-attached-pod' is not allowed"), rule("pods/attach")
    )
    webhook["rules"][0]["operations"] = ["CONNECT"]
    path = f"/api/v1/namespaces/{namespace}/pods/p/attach"
    with configured(kube, "validating", f"attach-{namespace}", webhook):
        found = refused(lambda: kube.call("POST", path, stdout="true", container="main"))
        assert found.message.endswith("denied the request: attaching to pod 'to-be-attached-pod' is not allowed")


@pytest.mark.conformance(f"{KIND} should be able to deny custom resource creation, update and deletion [Conformance]")
def test_custom_resources_are_denied(kube: Kube, namespace: str, hooks: Hooks) -> None:
    with defined(kube, "denied") as made:
        bad = unwanted("the custom resource contains unwanted data", lambda o: o.get("data", {}).get("key") == "bad")
        custom = rule(made.plural, group=made.group, operations=EVERY)
        with configured(kube, "validating", "deny-cr", hooks.webhook("/deny-cr", namespace, bad, custom)):
            objects = made.at(namespace)
            why = "the custom resource contains unwanted data"
            assert why in refused(lambda: objects.create(made.body("one", data={"key": "bad"}))).message
            objects.create(made.body("one", data={"key": "good"}))
            assert why in refused(lambda: objects.patch("one", {"data": {"key": "bad"}})).message
        objects.patch("one", {"data": {"key": "bad"}})
        with configured(kube, "validating", "deny-cr", hooks.webhook("/deny-cr", namespace, bad, custom)):
            assert why in refused(lambda: objects.delete("one")).message
            objects.patch("one", {"data": {"key": "good"}})
            objects.delete("one")


@pytest.mark.conformance(f"{KIND} should unconditionally reject operations on fail closed webhook [Conformance]")
def test_a_webhook_nobody_answers_for_closes(kube: Kube, namespace: str, hooks: Hooks) -> None:
    webhook = hooks.webhook("/nobody", namespace, allowed, failurePolicy="Fail")
    webhook["clientConfig"] |= {"url": "https://127.0.0.1:1/nobody"}
    with configured(kube, "validating", f"closed-{namespace}", webhook):
        found = refused(lambda: kube.at("v1/configmaps", namespace).create(map_of("a")))
        said = 'failed calling webhook "nobody.example.com": failed to call webhook: Post "https://127.0.0.1:1/nobody'
        assert found.code == 500 and said in found.message


@pytest.mark.conformance(f"{KIND} should mutate configmap [Conformance]")
def test_configmaps_are_mutated_in_order(kube: Kube, namespace: str, hooks: Hooks) -> None:
    webhooks = (
        hooks.webhook("/first", namespace, adding("mutation-stage-1", "yes", "mutation-start")),
        hooks.webhook("/second", namespace, adding("mutation-stage-2", "yes", "mutation-stage-1")),
    )
    with configured(kube, "mutating", f"ordered-{namespace}", *webhooks):
        made = kube.at("v1/configmaps", namespace).create(map_of("a"))
    assert made["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}


@pytest.mark.conformance(f"{KIND} should mutate pod and apply defaults after mutation [Conformance]")
def test_pods_are_mutated_and_defaulted(kube: Kube, namespace: str, hooks: Hooks) -> None:
    container = {"name": "webhook-added-init-container", "image": "webhook-added-image"}

    def add(_: Json) -> Json:
        return patching({"op": "add", "path": "/spec/initContainers", "value": [container]})

    with configured(kube, "mutating", f"pods-{namespace}", hooks.webhook("/init", namespace, add, rule("pods"))):
        made = kube.at("v1/pods", namespace).create(pod("p"))
    (found,) = made["spec"]["initContainers"]
    assert (found["name"], found["terminationMessagePolicy"]) == ("webhook-added-init-container", "File")


@pytest.mark.conformance(
    f"{KIND} should not be able to mutate or prevent deletion of webhook configuration objects [Conformance]"
)
def test_configurations_are_beyond_the_reach_of_webhooks(kube: Kube, hooks: Hooks) -> None:
    rules = [rule("validatingwebhookconfigurations", "mutatingwebhookconfigurations", operations=EVERY)]
    rules[0] |= {"apiGroups": ["*"], "apiVersions": ["*"]}
    label = patching({"op": "add", "path": "/metadata/labels", "value": {"touched": "yes"}})
    deny = hooks.webhook("/deny-all", "", denied("this webhook denies all requests"), *rules, namespaceSelector={})
    change = hooks.webhook("/label-all", "", lambda _: label, *rules, namespaceSelector={})
    with configured(kube, "validating", "deny-all", deny), configured(kube, "mutating", "label-all", change):
        for kind in ("validating", "mutating"):
            resource = kube.at(f"{GROUP}/{kind}webhookconfigurations")
            made = resource.create({"metadata": {"name": "dummy"}, "webhooks": []})
            assert "labels" not in made["metadata"]
            resource.delete("dummy")


@pytest.mark.conformance(f"{KIND} should mutate custom resource [Conformance]")
def test_custom_resources_are_mutated(kube: Kube, namespace: str, hooks: Hooks) -> None:
    with defined(kube, "mutated") as made:
        webhooks = [
            hooks.webhook(path, namespace, judge, rule(made.plural, group=made.group))
            for path, judge in (
                ("/cr-one", adding("mutation-stage-1", "yes", "mutation-start")),
                ("/cr-two", adding("mutation-stage-2", "yes", "mutation-stage-1")),
            )
        ]
        with configured(kube, "mutating", "mutate-cr", *webhooks):
            found = made.at(namespace).create(made.body("one", data={"mutation-start": "yes"}))
    assert found["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes", "mutation-stage-2": "yes"}


@pytest.mark.conformance(f"{KIND} should mutate custom resource with pruning [Conformance]")
def test_what_a_mutation_adds_is_pruned(kube: Kube, namespace: str, hooks: Hooks) -> None:
    known: Json = {
        "type": "object",
        "properties": {f"mutation-{key}": {"type": "string"} for key in ("start", "stage-1")},
    }
    schema: Json = {"type": "object", "properties": {"data": known}}
    with defined(kube, "pruned", schema) as made:
        webhooks = [
            hooks.webhook(path, namespace, judge, rule(made.plural, group=made.group))
            for path, judge in (
                ("/prune-one", adding("mutation-stage-1", "yes", "mutation-start")),
                ("/prune-two", adding("mutation-stage-2", "yes", "mutation-stage-1")),
            )
        ]
        with configured(kube, "mutating", "prune-cr", *webhooks):
            found = made.at(namespace).create(made.body("one", data={"mutation-start": "yes"}))
    assert found["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}


@pytest.mark.conformance(f"{KIND} should mutate custom resource with different stored version [Conformance]")
def test_a_mutation_sees_its_version_whatever_is_stored(kube: Kube, namespace: str, hooks: Hooks) -> None:
    body = definition("stored")
    first = body["spec"]["versions"][0]
    body["spec"]["versions"] = [first, {**first, "name": "v2", "storage": False}]
    with served(kube, body) as made:
        seen: list[str] = []

        def judge(request: Json) -> Json:
            seen.append(request["object"]["apiVersion"])
            return adding("mutation-stage-1", "yes", "mutation-start")(request)

        custom = rule(made.plural, group=made.group, operations=("CREATE", "UPDATE"))
        with configured(kube, "mutating", "stored-cr", hooks.webhook("/stored", namespace, judge, custom)):
            objects = made.at(namespace)
            objects.create(made.body("one", data={"mutation-start": "yes"}))

            def swap(crd: Json) -> None:
                for version in crd["spec"]["versions"]:
                    version["storage"] = version["name"] == "v2"

            kube.at(DEFINITIONS).change(made.name, swap)
            kube.at(DEFINITIONS).until(made.name, lambda crd: "v2" in crd["status"]["storedVersions"])
            patched = made.at(namespace, "v2").patch("one", {"data": {"mutation-stage-1": None}})
            assert patched["data"] == {"mutation-start": "yes", "mutation-stage-1": "yes"}
            assert seen == [f"{made.group}/v1"] * 2


@pytest.mark.conformance(f"{KIND} should deny crd creation [Conformance]")
def test_definitions_are_denied(kube: Kube, hooks: Hooks) -> None:
    webhook = hooks.webhook(
        "/deny-crd",
        "",
        denied("the crd contains unwanted label"),
        rule("customresourcedefinitions", group="apiextensions.k8s.io"),
        namespaceSelector={},
        objectSelector={"matchLabels": {"webhook-e2e-test": "webhook-disallow"}},
    )
    with configured(kube, "validating", "deny-crd", webhook):
        body = definition("unwanted")
        body["metadata"]["labels"] = {"webhook-e2e-test": "webhook-disallow"}
        assert "the crd contains unwanted label" in refused(lambda: kube.at(DEFINITIONS).create(body)).message


@pytest.mark.conformance(f"{KIND} should honor timeout [Conformance]")
def test_a_slow_webhook_is_waited_for_as_long_as_it_says(kube: Kube, namespace: str, hooks: Hooks) -> None:
    released = threading.Event()

    def slow(_: Json) -> Json:
        released.wait(10)
        return {"allowed": True}

    resource = kube.at("v1/configmaps", namespace)
    with configured(kube, "validating", "slow-a", hooks.webhook("/slow", namespace, slow, timeoutSeconds=1)):
        found = refused(lambda: resource.create(map_of("a")))
        assert "context deadline exceeded" in found.message
    ignored = hooks.webhook("/slow", namespace, slow, timeoutSeconds=1, failurePolicy="Ignore")
    with configured(kube, "validating", "slow-b", ignored):
        resource.create(map_of("b"))
    released.set()
    with configured(kube, "validating", "slow-c", hooks.webhook("/slow", namespace, slow)):
        resource.create(map_of("c"))


@pytest.mark.parametrize("kind", ["validating"])
@pytest.mark.conformance(f"{KIND} patching/updating a validating webhook should work [Conformance]")
def test_a_validating_webhook_is_changed(kube: Kube, namespace: str, hooks: Hooks, kind: str) -> None:
    resource, maps = kube.at(f"{GROUP}/{kind}webhookconfigurations"), kube.at("v1/configmaps", namespace)
    with configured(kube, kind, "changed", hooks.webhook("/changed", namespace, denied("no"))):
        assert refused(lambda: maps.create(map_of("a"))).code == 400
        resource.change("changed", lambda body: body["webhooks"][0]["rules"][0].update(operations=["DELETE"]))
        maps.create(map_of("a"))
        replace = {"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}
        resource.patch("changed", [replace], "json")
        assert refused(lambda: maps.create(map_of("b"))).code == 400


@pytest.mark.conformance(f"{KIND} patching/updating a mutating webhook should work [Conformance]")
def test_a_mutating_webhook_is_changed(kube: Kube, namespace: str, hooks: Hooks) -> None:
    resource, maps = kube.at(f"{GROUP}/mutatingwebhookconfigurations"), kube.at("v1/configmaps", namespace)
    with configured(kube, "mutating", "changing", hooks.webhook("/changing", namespace, adding("x", "y"))):
        resource.change("changing", lambda body: body["webhooks"][0]["rules"][0].update(operations=["DELETE"]))
        assert "x" not in maps.create(map_of("a"))["data"]
        replace = {"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["CREATE"]}
        resource.patch("changing", [replace], "json")
        assert maps.create(map_of("b"))["data"]["x"] == "y"


def listing(kube: Kube, kind: str, webhook: Json) -> None:
    """Several configurations, found by label and deleted as a collection."""
    resource = kube.at(f"{GROUP}/{kind}webhookconfigurations")
    for number in range(3):
        metadata = {"name": f"listed-{kind}-{number}", "labels": {"listed": kind}}
        resource.create({"metadata": metadata, "webhooks": [webhook]})
    assert len(names(resource.items(labelSelector=f"listed={kind}"))) == 3


@pytest.mark.conformance(f"{KIND} listing validating webhooks should work [Conformance]")
def test_validating_webhooks_are_listed_and_deleted_together(kube: Kube, namespace: str, hooks: Hooks) -> None:
    listing(kube, "validating", hooks.webhook("/listed", namespace, denied("no")))
    maps = kube.at("v1/configmaps", namespace)
    assert refused(lambda: maps.create(map_of("a"))).code == 400
    kube.at(f"{GROUP}/validatingwebhookconfigurations").delete_all(labelSelector="listed=validating")
    maps.create(map_of("a"))


@pytest.mark.conformance(f"{KIND} listing mutating webhooks should work [Conformance]")
def test_mutating_webhooks_are_listed_and_deleted_together(kube: Kube, namespace: str, hooks: Hooks) -> None:
    listing(kube, "mutating", hooks.webhook("/listing", namespace, adding("x", "y")))
    maps = kube.at("v1/configmaps", namespace)
    assert maps.create(map_of("a"))["data"]["x"] == "y"
    kube.at(f"{GROUP}/mutatingwebhookconfigurations").delete_all(labelSelector="listed=mutating")
    assert "x" not in maps.create(map_of("b"))["data"]


CONDITIONS: list[Json] = [{"name": "expression-1", "expression": "object.metadata.name == 'a'"}]
WRONG: list[Json] = [{"name": "invalid-expression-1", "expression": "... [] bad expression"}]


def conditional(kube: Kube, kind: str, webhook: Json) -> None:
    """Conditions are kept as they were given, when made and when changed."""
    resource = kube.at(f"{GROUP}/{kind}webhookconfigurations")
    with configured(kube, kind, f"conditions-{kind}", {**webhook, "matchConditions": CONDITIONS}):
        assert resource.get(f"conditions-{kind}")["webhooks"][0]["matchConditions"] == CONDITIONS
        more = [*CONDITIONS, {"name": "expression-2", "expression": "true"}]
        changed = resource.change(f"conditions-{kind}", lambda body: body["webhooks"][0].update(matchConditions=more))
        assert changed["webhooks"][0]["matchConditions"] == more


def invalid(kube: Kube, kind: str, webhook: Json) -> None:
    resource = kube.at(f"{GROUP}/{kind}webhookconfigurations")
    body: dict[str, Any] = {"metadata": {"name": "wrong"}, "webhooks": [{**webhook, "matchConditions": WRONG}]}
    found = refused(lambda: resource.create(body))
    assert found.code == 422 and "compilation failed" in found.message


@pytest.mark.conformance(
    f"{KIND} should be able to create and update validating webhook configurations with match conditions [Conformance]"
)
def test_conditions_of_validating_webhooks(kube: Kube, namespace: str, hooks: Hooks) -> None:
    conditional(kube, "validating", hooks.webhook("/when-v", namespace, allowed))


@pytest.mark.conformance(
    f"{KIND} should be able to create and update mutating webhook configurations with match conditions [Conformance]"
)
def test_conditions_of_mutating_webhooks(kube: Kube, namespace: str, hooks: Hooks) -> None:
    conditional(kube, "mutating", hooks.webhook("/when-m", namespace, allowed))


@pytest.mark.conformance(
    f"{KIND} should reject validating webhook configurations with invalid match conditions [Conformance]"
)
def test_wrong_conditions_of_validating_webhooks(kube: Kube, namespace: str, hooks: Hooks) -> None:
    invalid(kube, "validating", hooks.webhook("/wrong-v", namespace, allowed))


@pytest.mark.conformance(
    f"{KIND} should reject mutating webhook configurations with invalid match conditions [Conformance]"
)
def test_wrong_conditions_of_mutating_webhooks(kube: Kube, namespace: str, hooks: Hooks) -> None:
    invalid(kube, "mutating", hooks.webhook("/wrong-m", namespace, allowed))


@pytest.mark.conformance(f"{KIND} should mutate everything except 'skip-me' configmaps [Conformance]")
def test_conditions_choose_what_is_mutated(kube: Kube, namespace: str, hooks: Hooks) -> None:
    condition = [{"name": "skip-me", "expression": "object.metadata.name != 'skip-me'"}]
    webhook = hooks.webhook("/skip", namespace, adding("mutated", "yes"), matchConditions=condition)
    maps = kube.at("v1/configmaps", namespace)
    with configured(kube, "mutating", "skipping", webhook):
        assert "mutated" not in maps.create(map_of("skip-me"))["data"]
        assert maps.create(map_of("other"))["data"]["mutated"] == "yes"
