"""Create, read, change: what a client of single objects may rely on."""

from __future__ import annotations

import asyncio

import pytest

from tests.apiserver.serving import DEFAULT, serving

CONFIG_MAPS = f"{DEFAULT}/configmaps"
RS = "/apis/apps/v1/namespaces/default/replicasets"


def replica_set(name: str, **spec: object) -> dict[str, object]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}}


async def test_what_was_created_is_answered_with_what_the_server_adds() -> None:
    async with serving() as api:
        made = await api.config_map("one")
        metadata = made["metadata"]
        assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")
        assert metadata["uid"] and metadata["creationTimestamp"].endswith("Z") and int(metadata["resourceVersion"]) > 0
        assert (await api.get(f"{CONFIG_MAPS}/one")).json() == made


async def test_a_new_object_has_the_status_of_nothing() -> None:
    async with serving() as api:
        assert (await api.make(RS, replica_set("x")))["status"] == {"replicas": 0}
        assert (await api.make(f"{DEFAULT}/resourcequotas", {"metadata": {"name": "q"}, "spec": {}}))["status"] == {}


async def test_a_generated_name_ends_in_five_safe_letters() -> None:
    async with serving() as api:
        made = await api.make(CONFIG_MAPS, {"metadata": {"generateName": "run-"}})
        name = made["metadata"]["name"]
        assert name.startswith("run-") and len(name) == 9 and not set(name[4:]) & set("aeiou013")


async def test_an_old_version_is_stored_in_the_new_one_and_answered_in_both() -> None:
    async with serving() as api:
        old = RS.replace("/v1/", "/v1beta2/")
        answer = await api.http.post(old, json={"apiVersion": "apps/v1beta2", "kind": "ReplicaSet", **replica_set("x")})
        assert answer.status_code == 201 and answer.json()["apiVersion"] == "apps/v1beta2"
        assert "apps/v1beta2 ReplicaSet is deprecated in v1.9+, unavailable in v1.16+" in answer.headers["warning"]
        new = (await api.get(f"{RS}/x")).json()
        assert new["apiVersion"] == "apps/v1" and new["spec"]["replicas"] == 1
        assert new["metadata"]["uid"] == (await api.get(f"{old}/x")).json()["metadata"]["uid"]


async def test_a_dry_run_answers_as_the_write_would_and_writes_nothing() -> None:
    async with serving() as api:
        before = api.server.backend.cache.revision
        made = await api.make(CONFIG_MAPS, {"metadata": {"name": "ghost"}}, dryRun="All")
        assert made["metadata"]["uid"]
        assert (await api.get(f"{CONFIG_MAPS}/ghost")).status_code == 404
        service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
        await api.make(f"{DEFAULT}/services", service, dryRun="All")
        assert api.server.backend.cache.revision == before


async def test_an_update_with_an_old_revision_conflicts_and_without_one_wins() -> None:
    async with serving() as api:
        old = await api.config_map("one")
        new = {**old, "data": {"key": "new"}}
        assert (await api.http.put(f"{CONFIG_MAPS}/one", json=new)).status_code == 200
        refused = await api.http.put(f"{CONFIG_MAPS}/one", json=new | {"data": {"key": "newer"}})
        assert refused.status_code == 409 and refused.json()["reason"] == "Conflict"
        assert refused.json()["message"] == (
            'Operation cannot be fulfilled on configmaps "one": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )
        del new["metadata"]["resourceVersion"]
        assert (await api.http.put(f"{CONFIG_MAPS}/one", json=new | {"data": {"key": "last"}})).status_code == 200


async def test_an_update_that_changes_nothing_is_no_revision() -> None:
    async with serving() as api:
        made = await api.config_map("one")
        again = (await api.http.put(f"{CONFIG_MAPS}/one", json=made)).json()
        patched = (await api.patch(f"{CONFIG_MAPS}/one", {"data": {"key": "value"}})).json()
        assert made == again == patched


async def test_an_update_keeps_what_only_the_server_says() -> None:
    async with serving() as api:
        made = await api.config_map("one")
        sent = {"metadata": {"name": "one", "labels": {"a": "b"}}, "data": {}}
        after = (await api.http.put(f"{CONFIG_MAPS}/one", json=sent)).json()
        for name in ("uid", "creationTimestamp", "namespace"):
            assert after["metadata"][name] == made["metadata"][name]


async def test_an_update_for_another_life_of_the_name_conflicts() -> None:
    async with serving() as api:
        made = await api.config_map("one")
        made["metadata"]["uid"] = "another"
        del made["metadata"]["resourceVersion"]
        answer = await api.http.put(f"{CONFIG_MAPS}/one", json=made)
        assert answer.status_code == 409 and "Precondition failed: UID in precondition: another" in answer.text


async def test_status_is_written_by_its_subresource_only() -> None:
    async with serving() as api:
        made = await api.make(RS, replica_set("x"))
        made["status"] = {"replicas": 5}
        made["spec"]["replicas"] = 2
        spec_only = (await api.http.put(f"{RS}/x", json=made)).json()
        assert spec_only["spec"]["replicas"] == 2 and not spec_only.get("status", {}).get("replicas")
        assert spec_only["metadata"]["generation"] == 2
        spec_only["status"] = {"replicas": 5}
        spec_only["spec"]["replicas"] = 9
        status_only = (await api.http.put(f"{RS}/x/status", json=spec_only)).json()
        assert status_only["spec"]["replicas"] == 2 and status_only["status"]["replicas"] == 5
        assert status_only["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("merge-patch+json", {"spec": {"replicas": 4}}),
        ("strategic-merge-patch+json", {"spec": {"replicas": 4}}),
        ("json-patch+json", [{"op": "replace", "path": "/spec/replicas", "value": 4}]),
    ],
)
async def test_each_kind_of_patch_changes_what_it_names(kind: str, body: object) -> None:
    async with serving() as api:
        await api.make(RS, replica_set("x"))
        answer = await api.patch(f"{RS}/x", body, kind)
        assert answer.status_code == 200 and answer.json()["spec"]["replicas"] == 4


async def test_a_strategic_patch_merges_containers_by_name() -> None:
    async with serving() as api:
        await api.make(RS, replica_set("x"))
        containers = [{"name": "c", "image": "other"}, {"name": "d", "image": "new"}]
        answer = await api.patch(
            f"{RS}/x", {"spec": {"template": {"spec": {"containers": containers}}}}, "strategic-merge-patch+json"
        )
        found = answer.json()["spec"]["template"]["spec"]["containers"]
        assert [(each["name"], each["image"]) for each in found] == [("c", "other"), ("d", "new")]


async def test_a_patch_of_no_known_kind_is_refused_with_the_types_that_are_known() -> None:
    async with serving() as api:
        await api.config_map("one")
        answer = await api.patch(f"{CONFIG_MAPS}/one", {}, "apply-patch+cbor")
        assert answer.status_code == 415 and "application/apply-patch+yaml" in answer.json()["message"]


async def test_patches_that_race_are_all_applied() -> None:
    async with serving() as api:
        await api.config_map("one")
        await asyncio.gather(*(api.patch(f"{CONFIG_MAPS}/one", {"data": {f"k{i}": "v"}}) for i in range(6)))
        assert len((await api.get(f"{CONFIG_MAPS}/one")).json()["data"]) == 7


async def test_yaml_and_json_bodies_make_the_same_object() -> None:
    async with serving() as api:
        text = "metadata: {name: one}\ndata:\n  when: 2020-01-01\n"
        answer = await api.http.post(CONFIG_MAPS, content=text, headers={"content-type": "application/yaml"})
        # A timestamp of YAML would be no string; here it stays the text it was.
        assert answer.status_code == 201 and answer.json()["data"] == {"when": "2020-01-01"}


async def test_strict_validation_refuses_what_warn_reports_and_ignore_drops() -> None:
    async with serving() as api:
        body = {"metadata": {"name": "one"}, "data": {}, "dota": {}}
        refused = await api.http.post(CONFIG_MAPS, json=body, params={"fieldValidation": "Strict"})
        assert refused.status_code == 400 and 'strict decoding error: unknown field "dota"' in refused.json()["message"]
        warned = await api.http.post(CONFIG_MAPS, json=body)
        assert warned.status_code == 201 and 'unknown field "dota"' in warned.headers["warning"].replace("\\", "")
        body["metadata"] = {"name": "two"}
        ignored = await api.http.post(CONFIG_MAPS, json=body, params={"fieldValidation": "Ignore"})
        assert ignored.status_code == 201 and "warning" not in ignored.headers


async def test_scale_reads_and_writes_the_number_of_replicas() -> None:
    async with serving() as api:
        await api.make(RS, replica_set("x"))
        scale = (await api.get(f"{RS}/x/scale")).json()
        assert scale["kind"] == "Scale" and scale["spec"]["replicas"] == 1 and scale["status"]["selector"] == "a=b"
        scale["spec"]["replicas"] = 3
        assert (await api.http.put(f"{RS}/x/scale", json=scale)).json()["spec"]["replicas"] == 3
        assert (await api.patch(f"{RS}/x/scale", {"spec": {"replicas": 4}})).json()["spec"]["replicas"] == 4
        assert (await api.get(f"{RS}/x")).json()["metadata"]["generation"] == 3


async def test_a_kind_no_controller_acts_on_is_created_with_a_warning() -> None:
    async with serving(acting=frozenset({"apps/ReplicaSet"})) as api:
        answer = await api.http.post(RS, json=replica_set("x"))
        assert "warning" not in answer.headers
        stateful = {**replica_set("y", serviceName="s"), "kind": "StatefulSet", "apiVersion": "apps/v1"}
        answer = await api.http.post("/apis/apps/v1/namespaces/default/statefulsets", json=stateful)
        assert answer.headers["warning"] == '299 - "podling: no controller acts on StatefulSet objects yet"'


async def test_binding_gives_a_pod_its_node_once() -> None:
    async with serving() as api:
        await api.account()
        await api.pod("p")
        binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
        assert (await api.http.post(f"{DEFAULT}/pods/p/binding", json=binding)).status_code == 201
        pod = (await api.get(f"{DEFAULT}/pods/p")).json()
        assert pod["spec"]["nodeName"] == "n1"
        assert [(c["type"], c["status"]) for c in pod["status"]["conditions"]] == [("PodScheduled", "True")]
        again = await api.http.post(f"{DEFAULT}/bindings", json=binding)
        assert again.status_code == 409
        assert again.json()["message"].endswith('pod p is already assigned to node "n1"')


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/v1/configmaps", 405),
        ("DELETE", "/api/v1/configmaps", 405),
        ("GET", "/api/v1/configmaps/one", 404),
        ("GET", "/api/v1/namespaces/default/nodes", 404),
        ("GET", "/api/v1/configmaps", 200),
        ("GET", "/api/v1/namespaces/default/configmaps/one/log", 404),
    ],
)
async def test_paths_are_those_of_the_resources_scope(method: str, path: str, status: int) -> None:
    async with serving() as api:
        await api.config_map("one")
        assert (await api.http.request(method, path, json={} if method == "POST" else None)).status_code == status


async def test_an_event_of_the_newer_api_says_when_it_was_and_nothing_of_old() -> None:
    async with serving() as api:
        about = {"kind": "Pod", "name": "web", "namespace": "default"}
        said = {"metadata": {"name": "e"}, "regarding": about, "reason": "Because", "type": "Odd", "deprecatedCount": 2}
        new = "/apis/events.k8s.io/v1/namespaces/default/events"
        answer = await api.http.post(new, json=said)
        told = [f"{each['field']}: {each['message']}" for each in answer.json()["details"]["causes"]]
        assert answer.status_code == 422 and told == [
            "eventTime: Required value",
            'type: Invalid value: "": has invalid value: Odd',
            'count: Invalid value: "": needs to be unset',
        ]
        old = "/apis/events.k8s.io/v1beta1/namespaces/default/events"
        assert (await api.http.post(old, json=said)).status_code == 201


async def test_a_namespace_is_forgiven_where_there_is_none_to_be_in() -> None:
    async with serving() as api:
        roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        body = {"metadata": {"name": "mine", "namespace": "default"}, "rules": []}
        made = await api.make(roles, body)
        assert "namespace" not in made["metadata"]
        body |= {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}
        applied = await api.patch(f"{roles}/mine", body, "apply-patch+yaml", fieldManager="me", force="true")
        assert applied.status_code == 200, applied.text
