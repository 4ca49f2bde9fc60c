"""Versions that only a webhook knows how to make of each other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.apiserver.customresources.crontabs import CRDS, GROUP, NAME, defined, definition
from tests.apiserver.serving import Api, serving
from tests.apiserver.webhookserver import Webhook, webhook

Json = dict[str, Any]
V1, V2 = (f"/apis/{GROUP}/{version}/namespaces/default/crontabs" for version in ("v1", "v2"))


def convert(obj: Json, wanted: str) -> Json:
    """v1 has `hostPort: "a:1"`, v2 `host` and `port` (the example of the documentation)."""
    out = {**obj, "apiVersion": wanted}
    if wanted.endswith("v2") and "hostPort" in out:
        host, _, port = out.pop("hostPort").partition(":")
        out |= {"host": host, "port": port}
    elif wanted.endswith("v1") and "host" in out:
        out["hostPort"] = f"{out.pop('host')}:{out.pop('port')}"
    return out


def answer(review: Json) -> Json:
    request = review["request"]
    converted = [convert(each, request["desiredAPIVersion"]) for each in request["objects"]]
    response = {"uid": request["uid"], "convertedObjects": converted, "result": {"status": "Success"}}
    return {"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}


def versions(storage: str = "v1") -> list[Json]:
    def made(name: str, **properties: Json) -> Json:
        schema = {"type": "object", "properties": properties}
        columns = [{"name": each, "type": "string", "jsonPath": f".{each}"} for each in properties]
        return {
            "name": name,
            "served": True,
            "storage": name == storage,
            "schema": {"openAPIV3Schema": schema},
            "additionalPrinterColumns": columns,
        }

    text = {"type": "string"}
    return [made("v1", hostPort=text), made("v2", host=text, port={**text, "pattern": "^[0-9]+$"})]


def converted(hook: Webhook, storage: str = "v1") -> Json:
    crd = definition(*versions(storage))
    review = {"conversionReviewVersions": ["v9", "v1"], "clientConfig": hook.config("/convert")}
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": review}
    return crd


def v1(name: str, host_port: str) -> Json:
    return {"apiVersion": f"{GROUP}/v1", "kind": "CronTab", "metadata": {"name": name}, "hostPort": host_port}


def v2(name: str, host: str, port: str) -> Json:
    return {"apiVersion": f"{GROUP}/v2", "kind": "CronTab", "metadata": {"name": name}, "host": host, "port": port}


async def stored(api: Api, name: str) -> Json:
    found = api.server.backend.cache.get(f"{GROUP}/crontabs/default/{name}")
    assert found is not None
    return found.json()


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert from CR "
    "v1 to CR v2 [Conformance]"
)
async def test_each_version_is_read_and_written_and_one_is_stored() -> None:
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        await api.make(V1, v1("one", "a:1"))
        made = await api.make(V2, v2("two", "b", "2"))
        assert (made["apiVersion"], made["host"], made["port"]) == (f"{GROUP}/v2", "b", "2")
        assert (await stored(api, "two"))["hostPort"] == "b:2"
        assert (await api.get(f"{V2}/one")).json()["host"] == "a"
        assert (await api.get(f"{V1}/two")).json()["hostPort"] == "b:2"
        answer_ = await api.patch(f"{V2}/one", {"port": "9"})
        assert (answer_.json()["host"], answer_.json()["port"]) == ("a", "9")
        assert (await stored(api, "one"))["hostPort"] == "a:9"
        body = {**(await api.get(f"{V2}/one")).json(), "host": "z"}
        assert (await api.http.put(f"{V2}/one", json=body)).json()["host"] == "z"
        assert (await stored(api, "one"))["hostPort"] == "z:9"
        assert hook.paths[0].startswith("/convert?timeout=30s")
        assert hook.asked[0]["apiVersion"] == "apiextensions.k8s.io/v1"
        assert (await api.http.delete(f"{V2}/one")).status_code == 200


@pytest.mark.conformance(
    "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert a non "
    "homogeneous list of CRs [Conformance]"
)
async def test_a_list_and_a_table_of_mixed_objects_come_in_the_version_asked_for() -> None:
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        for index in range(5):
            await api.make(V1, v1(f"one{index}", f"a:{index}"))
        crd = (await api.get(f"{CRDS}/{NAME}")).json()
        crd["spec"]["versions"] = versions("v2")
        assert (await api.http.put(f"{CRDS}/{NAME}", json=crd)).status_code == 200
        await api.make(V2, v2("two", "b", "2"))
        hook.asked.clear()
        items = (await api.get(V1)).json()["items"]
        assert [each["hostPort"] for each in items] == ["a:0", "a:1", "a:2", "a:3", "a:4", "b:2"]
        assert {each["apiVersion"] for each in items} == {f"{GROUP}/v1"}
        items = (await api.get(V2)).json()["items"]
        assert [each["host"] for each in items] == ["a", "a", "a", "a", "a", "b"]
        assert len(hook.asked) <= 3  # many objects in one review
        table = (await api.get(V2, accept="application/json;as=Table;v=v1;g=meta.k8s.io")).json()
        assert table["rows"][0]["cells"] == ["one0", "a", "0"]
        shown = await api.kubectl("get", f"crontabs.v1.{GROUP}")
        assert shown.out.splitlines()[-1].split() == ["two", "b:2"]


async def test_a_write_moves_an_object_to_the_version_stored_now() -> None:
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        await api.make(V1, v1("one", "a:1"))
        crd = (await api.get(f"{CRDS}/{NAME}")).json()
        crd["spec"]["versions"] = versions("v2")
        crd = (await api.http.put(f"{CRDS}/{NAME}", json=crd)).json()
        assert crd["status"]["storedVersions"] == ["v1", "v2"]
        assert (await stored(api, "one"))["apiVersion"] == f"{GROUP}/v1"
        body = (await api.get(f"{V1}/one")).json()
        assert (await api.http.put(f"{V1}/one", json=body)).status_code == 200
        assert (await stored(api, "one"))["host"] == "a"
        dropped = {"spec": {"versions": versions("v2")[1:]}}
        refused = await api.patch(f"{CRDS}/{NAME}", dropped)
        assert "v1 was previously a storage version" in refused.json()["message"]
        status = await api.patch(f"{CRDS}/{NAME}/status", {"status": {"storedVersions": ["v2"]}})
        assert status.status_code == 200
        assert (await api.patch(f"{CRDS}/{NAME}", dropped)).status_code == 200
        assert (await api.get(f"{V2}/one")).json()["port"] == "1"
        assert (await api.get(f"{V1}/one")).status_code == 404


async def test_a_watch_tells_each_event_in_its_version() -> None:
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        await api.make(V1, v1("one", "a:1"))
        async with asyncio.timeout(10), api.watching(V2) as events:
            assert (await anext(events))["object"]["host"] == "a"
            await api.make(V1, v1("two", "b:2"))
            event = await anext(events)
            assert (event["type"], event["object"]["host"], event["object"]["apiVersion"]) == (
                "ADDED",
                "b",
                f"{GROUP}/v2",
            )
            await api.http.delete(f"{V1}/two")
            event = await anext(events)
            assert (event["type"], event["object"]["port"]) == ("DELETED", "2")


async def test_objects_meet_the_schema_of_the_version_they_come_in() -> None:
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        refused = await api.http.post(V2, json=v2("two", "b", "none"))
        assert refused.status_code == 422
        assert refused.json()["details"]["causes"][0]["field"] == "port"
        assert (await api.http.post(V1, json=v1("one", "b:none"))).status_code == 201


async def test_server_side_apply_works_through_a_webhook() -> None:
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        headers = {"content-type": "application/apply-patch+yaml"}
        for port in ("1", "2"):
            body = json.dumps(v2("one", "a", port))
            done = await api.http.patch(f"{V2}/one", content=body, params={"fieldManager": "me"}, headers=headers)
            assert done.status_code in (200, 201), done.text
        assert (await stored(api, "one"))["hostPort"] == "a:2"
        fields = (await api.get(f"{V2}/one")).json()["metadata"]["managedFields"][0]["fieldsV1"]
        assert {"f:host", "f:port"} <= set(fields)


def failing(review: Json) -> Json:
    return {
        **answer(review),
        "response": {"uid": review["request"]["uid"], "result": {"status": "Failed", "message": "no"}},
    }


def renaming(review: Json) -> Json:
    said = answer(review)
    for each in said["response"]["convertedObjects"]:
        each["metadata"] = {**each["metadata"], "name": "other"}
    return said


def unversioned(review: Json) -> Json:
    said = answer(review)
    for each in said["response"]["convertedObjects"]:
        each["apiVersion"] = "x"
    return said


def labelling(review: Json) -> Json:
    said = answer(review)
    for each in said["response"]["convertedObjects"]:
        each["metadata"] = {**each["metadata"], "labels": {"a": 1}}
    return said


def dropping(review: Json) -> Json:
    said = answer(review)
    said["response"]["convertedObjects"] = []
    return said


ABOUT = f"conversion webhook for {GROUP}/v1, Kind=CronTab"


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (failing, f"{ABOUT} failed: no"),
        (renaming, f"{ABOUT} returned invalid object: must have the same name: one != other"),
        (
            unversioned,
            f"{ABOUT} returned invalid object at index 0: invalid groupVersion (expected {GROUP}/v2, received x)",
        ),
        (labelling, f"{ABOUT} returned invalid metadata: metadata.labels[a] must be a string in converted object"),
        (dropping, f"{ABOUT} returned 0 objects, expected 1"),
        (lambda review: (500, b"broken"), f"{ABOUT} failed: an error on the server"),
        (lambda review: b"{}", f"{ABOUT} failed: expected webhook response of apiextensions.k8s.io/v1"),
    ],
)
async def test_a_webhook_that_fails_is_said_and_its_own_version_still_served(handler: Any, message: str) -> None:
    async with webhook(handler) as hook, serving() as api:
        await defined(api, converted(hook))
        await api.make(V1, v1("one", "a:1"))
        for path in (f"{V2}/one", V2):
            wrong = await api.get(path)
            assert wrong.status_code == 500
            assert wrong.json()["message"].startswith(message), wrong.text
        assert (await api.get(f"{V1}/one")).status_code == 200
        hook.handler = answer
        assert (await api.get(f"{V2}/one")).json()["host"] == "a"


async def test_what_was_converted_is_not_asked_again() -> None:
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        await api.make(V1, v1("one", "a:1"))
        await asyncio.gather(*(api.get(f"{V2}/one") for _ in range(5)))
        await api.patch(f"{V1}/one", {"metadata": {"finalizers": ["a.b/c"]}})
        assert (await api.get(f"{V2}/one")).json()["metadata"]["finalizers"] == ["a.b/c"]
        assert len(hook.asked) == 1


async def test_labels_and_annotations_are_the_webhooks_and_the_rest_is_not() -> None:
    def marking(review: Json) -> Json:
        said = answer(review)
        for each in said["response"]["convertedObjects"]:
            each["metadata"] = {**each["metadata"], "labels": {"came": "from"}, "generation": 99, "finalizers": ["x/y"]}
        return said

    async with webhook(marking) as hook, serving() as api:
        await defined(api, converted(hook))
        await api.make(V1, v1("one", "a:1"))
        metadata = (await api.get(f"{V2}/one")).json()["metadata"]
        assert metadata["labels"] == {"came": "from"}
        assert metadata["generation"] == 1
        assert "finalizers" not in metadata


async def test_a_policy_reads_its_parameters_through_the_webhook() -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    spec = {
        "paramKind": {"apiVersion": f"{GROUP}/v2", "kind": "CronTab"},
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "object.data.port == params.port"}],
    }
    chosen = {"name": "one", "namespace": "default", "parameterNotFoundAction": "Deny"}
    binding = {"policyName": "p", "validationActions": ["Deny"], "paramRef": chosen}
    policies, maps = "/apis/admissionregistration.k8s.io/v1", "/api/v1/namespaces/default/configmaps"
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        await api.make(V1, v1("one", "a:1"))
        await api.make(f"{policies}/validatingadmissionpolicies", {"metadata": {"name": "p"}, "spec": spec})
        await api.make(f"{policies}/validatingadmissionpolicybindings", {"metadata": {"name": "b"}, "spec": binding})
        refused = await api.http.post(maps, json={"metadata": {"name": "m"}, "data": {"port": "2"}})
        assert "denied request" in refused.json()["message"]
        assert (await api.http.post(maps, json={"metadata": {"name": "m"}, "data": {"port": "1"}})).status_code == 201


async def test_pages_of_the_past_are_converted_on_the_way() -> None:
    async with webhook(answer) as hook, serving() as api:
        await defined(api, converted(hook))
        await asyncio.gather(*(api.make(V1, v1(f"x{index:03}", f"a:{index}")) for index in range(150)))
        first = (await api.get(V2, limit="10")).json()
        await api.patch(f"{V1}/x100", {"hostPort": "changed:1"})
        rest = (await api.get(V2, limit="140", **{"continue": first["metadata"]["continue"]})).json()["items"]
        assert len(rest) == 140
        assert rest[90] | {"metadata": None} == {**v2("x100", "a", "100"), "metadata": None}
        assert (await api.get(f"{V2}/x100")).json()["host"] == "changed"


def renumber(review: Json) -> Json:
    """v1 has `count`, v2 `spec.replicas`."""
    request = review["request"]
    out = []
    for each in request["objects"]:
        number = each.get("count") if "count" in each else (each.get("spec") or {}).get("replicas")
        rest = {key: value for key, value in each.items() if key not in ("count", "spec")}
        new = {"spec": {"replicas": number}} if request["desiredAPIVersion"].endswith("v2") else {"count": number}
        out.append({**rest, **new, "apiVersion": request["desiredAPIVersion"]})
    response = {"uid": request["uid"], "convertedObjects": out, "result": {"status": "Success"}}
    return {"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response}


async def test_each_version_is_scaled_where_its_replicas_are() -> None:
    async with webhook(renumber) as hook, serving() as api:
        crd = converted(hook)
        first, second = crd["spec"]["versions"]
        number = {"type": "integer"}
        first["schema"]["openAPIV3Schema"]["properties"] = {"count": number}
        spec = {"type": "object", "properties": {"replicas": number}}
        second["schema"]["openAPIV3Schema"]["properties"] = {"spec": spec, "status": spec}
        scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
        second["subresources"] = {"scale": scale}
        for each in (first, second):
            each["additionalPrinterColumns"] = []
        await defined(api, crd)
        body = {"apiVersion": f"{GROUP}/v1", "kind": "CronTab", "metadata": {"name": "one"}, "count": 3}
        await api.make(V1, body)
        assert (await api.get(f"{V2}/one/scale")).json()["spec"]["replicas"] == 3
        answer_ = await api.patch(f"{V2}/one/scale", {"spec": {"replicas": 5}})
        assert answer_.json()["spec"]["replicas"] == 5
        assert (await stored(api, "one"))["count"] == 5
