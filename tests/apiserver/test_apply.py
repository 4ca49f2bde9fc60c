"""Server-side apply through the real server, and with the real kubectl."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx

from podling.env import SystemEnv
from tests.apiserver.serving import DEFAULT, Api, serving

MAPS = f"{DEFAULT}/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
Json = dict[str, Any]


async def apply(api: Api, path: str, config: Json, manager: str = "alice", **query: str) -> httpx.Response:
    headers = {"content-type": "application/apply-patch+yaml"}
    params = {"fieldManager": manager, **query}
    return await api.http.patch(path, content=json.dumps(config), headers=headers, params=params)


def config_map(data: Json, **metadata: Any) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", **metadata}, "data": data}


def deployment(replicas: int | None = None, image: str = "nginx", **spec: Any) -> Json:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    counted = {} if replicas is None else {"replicas": replicas}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **counted, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def managers(obj: Json) -> list[tuple[str, str]]:
    return [(entry["manager"], entry["operation"]) for entry in obj["metadata"].get("managedFields", [])]


def fields(obj: Json, manager: str) -> Json:
    return next(entry["fieldsV1"] for entry in obj["metadata"]["managedFields"] if entry["manager"] == manager)


async def test_applying_what_is_not_there_makes_it() -> None:
    async with serving() as api:
        answer = await apply(api, f"{MAPS}/one", config_map({"a": "1"}))
        assert answer.status_code == 201
        (entry,) = answer.json()["metadata"]["managedFields"]
        assert entry.pop("time").endswith("Z")
        assert entry == {
            "manager": "alice",
            "operation": "Apply",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}},
        }


async def test_applying_the_same_again_is_no_revision() -> None:
    async with serving() as api:
        first = (await apply(api, f"{DEPLOYMENTS}/web", deployment(2))).json()
        again = await apply(api, f"{DEPLOYMENTS}/web", deployment(2))
        assert again.status_code == 200 and again.json() == first


class Clock(SystemEnv):
    """The machine's clock, put forward by the test."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


async def test_what_defaults_and_the_server_make_equal_is_no_revision() -> None:
    clock = Clock()
    async with serving(env=clock) as api:
        config = deployment(2)
        config["metadata"]["creationTimestamp"] = None
        config["status"] = {}
        config["spec"]["template"]["spec"] |= {
            "volumes": [{"name": "v", "configMap": {"name": "one", "items": [{"key": "a", "path": "b"}]}}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "x", "whenUnsatisfiable": "DoNotSchedule"}],
        }
        first = (await apply(api, f"{DEPLOYMENTS}/web", config)).json()
        clock.ahead = 2  # the times of managedFields are whole seconds
        assert (await apply(api, f"{DEPLOYMENTS}/web", config)).json() == first


async def test_what_a_manager_applies_no_longer_goes_away() -> None:
    async with serving() as api:
        await apply(api, f"{MAPS}/one", config_map({"a": "1", "b": "2"}))
        await apply(api, f"{MAPS}/one", config_map({"c": "3"}), "bob")
        after = (await apply(api, f"{MAPS}/one", config_map({"a": "1"}))).json()
        assert after["data"] == {"a": "1", "c": "3"}
        assert managers(after) == [("alice", "Apply"), ("bob", "Apply")]


async def test_another_managers_field_is_a_conflict_until_it_is_forced() -> None:
    async with serving() as api:
        await api.http.post(MAPS, json=config_map({"a": "1"}), params={"fieldManager": "kubectl-client-side-apply"})
        refused = await apply(api, f"{MAPS}/one", config_map({"a": "2"}))
        said = refused.json()
        assert refused.status_code == 409 and said["reason"] == "Conflict"
        text = 'conflict with "kubectl-client-side-apply" using v1'
        assert said["message"] == f"Apply failed with 1 conflict: {text}: .data.a"
        assert said["details"] == {"causes": [{"reason": "FieldManagerConflict", "message": text, "field": ".data.a"}]}
        won = (await apply(api, f"{MAPS}/one", config_map({"a": "2"}), force="true")).json()
        assert won["data"] == {"a": "2"} and fields(won, "alice") == {"f:data": {"f:a": {}}}
        assert "f:a" not in fields(won, "kubectl-client-side-apply")["f:data"]


async def test_several_conflicts_are_listed_by_manager() -> None:
    async with serving() as api:
        await apply(api, f"{MAPS}/one", config_map({"a": "1", "b": "2"}))
        await apply(api, f"{MAPS}/one", config_map({"c": "1"}), "bob")
        said = (await apply(api, f"{MAPS}/one", config_map({"a": "x", "b": "x", "c": "x"}), "carol")).json()
        assert said["message"] == (
            'Apply failed with 3 conflicts: conflicts with "alice":\n- .data.a\n- .data.b\n'
            'conflicts with "bob":\n- .data.c'
        )


async def test_equal_values_are_shared_and_stay_while_one_manager_is_left() -> None:
    async with serving() as api:
        await apply(api, f"{MAPS}/one", config_map({"a": "1"}))
        both = (await apply(api, f"{MAPS}/one", config_map({"a": "1"}), "bob")).json()
        assert fields(both, "alice") == fields(both, "bob")
        assert (await apply(api, f"{MAPS}/one", config_map({}), "alice")).json()["data"] == {"a": "1"}
        assert "data" not in (await apply(api, f"{MAPS}/one", config_map({}), "bob")).json()


async def test_ports_are_merged_by_port_and_default_protocol() -> None:
    async with serving() as api:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}
        path = f"{DEFAULT}/services/s"
        await apply(api, path, service | {"spec": {"ports": [{"name": "a", "port": 80}], "selector": {"x": "y"}}})
        after = (await apply(api, path, service | {"spec": {"ports": [{"name": "b", "port": 81}]}}, "bob")).json()
        assert [port["port"] for port in after["spec"]["ports"]] == [80, 81]
        assert fields(after, "bob") == {
            "f:spec": {"f:ports": {'k:{"port":81,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}}}
        }
        clash = {"name": "z", "port": 80, "protocol": "TCP"}
        said = (await apply(api, path, service | {"spec": {"ports": [clash]}}, "bob")).json()
        assert said["message"].endswith('conflict with "alice": .spec.ports[port=80,protocol="TCP"].name')


async def test_a_field_given_up_goes_back_to_its_default() -> None:
    async with serving() as api:
        await apply(api, f"{DEPLOYMENTS}/web", deployment(5))
        assert (await apply(api, f"{DEPLOYMENTS}/web", deployment())).json()["spec"]["replicas"] == 1


async def test_scaling_takes_the_replicas_from_who_applied_them() -> None:
    async with serving() as api:
        await apply(api, f"{DEPLOYMENTS}/web", deployment(1))
        path, patch = f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 3}}
        assert (await api.patch(path, patch, fieldManager="autoscaler")).status_code == 200
        said = (await apply(api, f"{DEPLOYMENTS}/web", deployment(1))).json()
        who = '"autoscaler" with subresource "scale" using apps/v1'
        assert said["message"] == f"Apply failed with 1 conflict: conflict with {who}: .spec.replicas"
        left = (await apply(api, f"{DEPLOYMENTS}/web", deployment())).json()
        assert left["spec"]["replicas"] == 3


async def test_a_scale_is_applied_as_the_replicas_of_its_object() -> None:
    async with serving() as api:
        await apply(api, f"{DEPLOYMENTS}/web", deployment())
        config = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 4}}
        scale = await apply(api, f"{DEPLOYMENTS}/web/scale", config, "autoscaler")
        assert scale.status_code == 200 and scale.json()["spec"]["replicas"] == 4
        after = (await api.get(f"{DEPLOYMENTS}/web")).json()
        assert after["spec"]["replicas"] == 4 and fields(after, "autoscaler") == {"f:spec": {"f:replicas": {}}}
        said = (await apply(api, f"{DEPLOYMENTS}/web", deployment(2))).json()
        assert said["message"].endswith('conflict with "autoscaler" with subresource "scale": .spec.replicas')


async def test_status_is_applied_by_its_subresource_and_not_otherwise() -> None:
    async with serving() as api:
        await apply(api, f"{DEPLOYMENTS}/web", deployment(1) | {"status": {"replicas": 9}})
        config = {"apiVersion": "apps/v1", "kind": "Deployment", "status": {"replicas": 4}, "spec": {"paused": True}}
        after = (await apply(api, f"{DEPLOYMENTS}/web/status", config, "controller")).json()
        assert after["status"]["replicas"] == 4 and "paused" not in after["spec"]
        assert fields(after, "controller") == {"f:status": {"f:replicas": {}}}
        assert "f:status" not in fields(after, "alice")
        missing = await apply(api, f"{DEPLOYMENTS}/none/status", config)
        assert missing.status_code == 404


async def test_creates_updates_and_patches_are_kept_by_manager() -> None:
    async with serving() as api:
        made = (await api.http.post(MAPS, json=config_map({"a": "1"}), headers={"user-agent": "ctl/1.0 (x)"})).json()
        assert fields(made, "ctl") == {"f:data": {".": {}, "f:a": {}}}
        made["data"]["b"] = "2"
        put = (await api.http.put(f"{MAPS}/one", json=made, params={"fieldManager": "bob"})).json()
        assert fields(put, "bob") == {"f:data": {"f:b": {}}}
        patched = (await api.patch(f"{MAPS}/one", {"data": {"a": "9", "b": None}}, fieldManager="carol")).json()
        assert fields(patched, "carol") == {"f:data": {"f:a": {}}}
        assert fields(patched, "ctl") == {"f:data": {}}
        assert managers(patched) == [("carol", "Update"), ("ctl", "Update")]


async def test_a_write_that_changes_nothing_leaves_the_record_alone() -> None:
    async with serving() as api:
        made = await api.make(MAPS, config_map({"a": "1"}))
        again = (await api.http.put(f"{MAPS}/one", json=made, params={"fieldManager": "bob"})).json()
        assert again == made


async def test_the_record_can_be_forgotten_and_begins_anew_with_apply() -> None:
    async with serving() as api:
        forgetting: list[Any] = [[], [{}]]
        for empty in forgetting:
            made = await api.make(MAPS, config_map({"a": "1"}))
            made["metadata"]["managedFields"] = empty
            put = (await api.http.put(f"{MAPS}/one", json=made)).json()
            assert "managedFields" not in put["metadata"]
            after = (await apply(api, f"{MAPS}/one", config_map({"b": "2"}))).json()
            assert managers(after) == [("alice", "Apply"), ("before-first-apply", "Update")]
            patched = await api.patch(f"{MAPS}/one", {"metadata": {"managedFields": empty}})
            assert "managedFields" not in patched.json()["metadata"]
            await api.http.delete(f"{MAPS}/one")


async def test_at_most_ten_updaters_are_remembered() -> None:
    async with serving() as api:
        await api.make(MAPS, config_map({"a": "1"}))
        for at in range(14):
            await api.patch(f"{MAPS}/one", {"data": {f"k{at}": "v"}}, fieldManager=f"m{at:02}")
        found = managers((await api.get(f"{MAPS}/one")).json())
        assert len(found) == 10 and ("ancient-changes", "Update") in found


async def test_a_revision_in_the_configuration_has_to_be_the_present_one() -> None:
    async with serving() as api:
        made = (await apply(api, f"{MAPS}/one", config_map({"a": "1"}))).json()["metadata"]["resourceVersion"]
        assert (await apply(api, f"{MAPS}/one", config_map({"a": "2"}, resourceVersion=made))).status_code == 200
        late = await apply(api, f"{MAPS}/one", config_map({"a": "3"}, resourceVersion=made))
        assert late.status_code == 409 and "the object has been modified" in late.json()["message"]


async def test_a_dry_run_applies_and_keeps_nothing() -> None:
    async with serving() as api:
        assert (await apply(api, f"{MAPS}/one", config_map({"a": "1"}), dryRun="All")).status_code == 201
        assert (await api.get(f"{MAPS}/one")).status_code == 404
        made = (await apply(api, f"{MAPS}/one", config_map({"a": "1"}))).json()
        tried = (await apply(api, f"{MAPS}/one", config_map({"a": "2"}), dryRun="All")).json()
        assert tried["data"] == {"a": "2"} and (await api.get(f"{MAPS}/one")).json() == made


async def test_what_upstream_refuses() -> None:
    async with serving() as api:
        headers = {"content-type": "application/apply-patch+yaml"}
        nobody = await api.http.patch(f"{MAPS}/one", content=json.dumps(config_map({})), headers=headers)
        assert nobody.status_code == 422 and nobody.json()["message"] == (
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        )
        unknown = (await apply(api, f"{DEPLOYMENTS}/web", deployment(replica=1))).json()
        assert unknown["message"] == (
            "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): "
            ".spec.replica: field not declared in schema"
        )
        own = (await apply(api, f"{MAPS}/one", config_map({}, managedFields=[{}]))).json()
        assert own["message"] == "metadata.managedFields must be nil"
        version = (await apply(api, f"{MAPS}/one", config_map({}) | {"apiVersion": "v2"})).json()
        assert version["message"] == (
            "Incorrect version specified in apply patch. Specified patch version: v2, expected: v1"
        )
        for body in ("[", "[]", "1", "a: [", '{"metadata": 1}', "\x00"):
            broken = await api.http.patch(f"{MAPS}/one", content=body, headers=headers, params={"fieldManager": "x"})
            assert broken.status_code == 400, body


async def test_an_old_version_is_applied_and_kept_in_its_own_fields() -> None:
    async with serving() as api:
        old = "/apis/apps/v1beta2/namespaces/default/deployments/web"
        made = await apply(api, old, deployment(2) | {"apiVersion": "apps/v1beta2"})
        assert made.status_code == 201 and made.json()["apiVersion"] == "apps/v1beta2"
        changed = await api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, fieldManager="bob")
        assert changed.status_code == 200
        record = changed.json()["metadata"]["managedFields"]
        assert [(entry["manager"], entry["apiVersion"]) for entry in record] == [
            ("alice", "apps/v1beta2"),
            ("bob", "apps/v1"),
        ]
        assert "f:replicas" not in record[0]["fieldsV1"]["f:spec"]


MANIFEST = """apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {app: x}}
data: {a: "1", b: "2"}
"""


async def ok(api: Api, *words: str, stdin: str = "") -> str:
    done = await api.kubectl(*words, stdin=stdin)
    assert done.code == 0, done.err
    return done.out


async def test_kubectl_applies_on_the_server_and_meets_conflicts() -> None:
    async with serving() as api:
        apply = ("apply", "--server-side", "-f", "-")
        assert await ok(api, *apply, stdin=MANIFEST) == "configmap/one serverside-applied\n"
        assert await ok(api, *apply, stdin=MANIFEST) == "configmap/one serverside-applied\n"
        other = MANIFEST.replace('"1"', '"9"')
        done = await api.kubectl(*apply, "--field-manager=me", stdin=other)
        assert done.code == 1 and 'Apply failed with 1 conflict: conflict with "kubectl": .data.a' in done.err
        assert "--force-conflicts" in done.err
        await ok(api, *apply, "--field-manager=me", "--force-conflicts", stdin=other)
        shown = json.loads(await ok(api, "get", "cm", "one", "-o", "json", "--show-managed-fields"))
        assert managers(shown) == [("kubectl", "Apply"), ("me", "Apply")] and shown["data"]["a"] == "9"
        assert "managedFields" not in await ok(api, "get", "cm", "one", "-o", "yaml")


async def test_kubectl_moves_from_client_side_apply_to_the_server() -> None:
    async with serving() as api:
        await ok(api, "apply", "-f", "-", stdin=MANIFEST)
        assert managers((await api.get(f"{MAPS}/one")).json()) == [("kubectl-client-side-apply", "Update")]
        await ok(api, "apply", "--server-side", "-f", "-", stdin=MANIFEST.replace('b: "2"', 'c: "3"'))
        after = (await api.get(f"{MAPS}/one")).json()
        assert after["data"] == {"a": "1", "c": "3"}
        assert managers(after) == [("kubectl", "Apply"), ("kubectl-last-applied", "Apply")]
        last = await ok(api, "apply", "view-last-applied", "cm", "one", "-o", "json")
        assert json.loads(last)["data"] == {"a": "1", "c": "3"}
        await ok(api, "apply", "-f", "-", stdin=MANIFEST)


async def test_kubectl_shows_what_applying_on_the_server_would_change() -> None:
    async with serving() as api:
        await ok(api, "apply", "--server-side", "-f", "-", stdin=MANIFEST)
        done = await api.kubectl("diff", "--server-side", "-f", "-", stdin=MANIFEST.replace('"1"', '"7"'))
        assert done.code == 1 and '-  a: "1"' in done.out and '+  a: "7"' in done.out
        assert (await api.get(f"{MAPS}/one")).json()["data"]["a"] == "1"


def custom(version: str, **spec: Any) -> Json:
    return {"apiVersion": f"ex.io/{version}", "kind": "Foo", "metadata": {"name": "a"}, "spec": spec}


async def test_custom_resources_are_applied_by_their_own_schema() -> None:
    kept = {"id": {"type": "integer"}, "proto": {"type": "string", "default": "TCP"}, "v": {"type": "string"}}
    item = {"type": "object", "properties": kept, "required": ["id"]}
    listing = {"type": "array", "items": item, "x-kubernetes-list-type": "map"}
    spec = {
        "items": listing | {"x-kubernetes-list-map-keys": ["id", "proto"]},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}
    names = {"plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList"}
    versions = [
        {"name": each, "served": True, "storage": each == "v1", "schema": {"openAPIV3Schema": schema}}
        for each in ("v1", "v2")
    ]
    crd = {"group": "ex.io", "scope": "Namespaced", "names": names, "versions": versions}
    path = "/apis/ex.io/{}/namespaces/default/foos/a"
    async with serving() as api:
        await api.make(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            {"metadata": {"name": "foos.ex.io"}, "spec": crd},
        )
        async with asyncio.timeout(5):
            while (await api.get("/apis/ex.io/v2/foos")).status_code != 200:
                await asyncio.sleep(0.01)
        first = custom("v1", items=[{"id": 1, "v": "x"}], any={"a": {"b": 1, "l": [1]}})
        assert (await apply(api, path.format("v1"), first)).status_code == 201
        after = (
            await apply(api, path.format("v2"), custom("v2", items=[{"id": 2}], any={"a": {"c": 1}}), "bob")
        ).json()
        assert after["spec"]["any"] == {"a": {"b": 1, "l": [1], "c": 1}}
        assert fields(after, "alice") == {
            "f:spec": {
                "f:any": {"f:a": {".": {}, "f:b": {}, "f:l": {}}},
                "f:items": {'k:{"id":1,"proto":"TCP"}': {".": {}, "f:id": {}, "f:v": {}}},
            }
        }
        clash = custom("v2", items=[{"id": 1, "proto": "TCP", "v": "y"}])
        said = (await apply(api, path.format("v2"), clash, "bob")).json()
        assert said["message"].endswith('conflict with "alice": .spec.items[id=1,proto="TCP"].v')
        patched = (await api.patch(path.format("v2"), {"spec": {"any": {"a": {"b": 2}}}}, fieldManager="carol")).json()
        assert fields(patched, "carol") == {"f:spec": {"f:any": {"f:a": {"f:b": {}}}}}
        left = (await apply(api, path.format("v1"), custom("v1"))).json()
        assert left["spec"]["items"] == [{"id": 2, "proto": "TCP"}] and left["spec"]["any"] == {"a": {"b": 2, "c": 1}}
        unknown = (await apply(api, path.format("v1"), custom("v1", zzz=1))).json()
        assert unknown["message"].endswith(".spec.zzz: field not declared in schema")
