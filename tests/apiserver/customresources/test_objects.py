"""Custom objects through the API: strategy, subresources, selectors, patches, messages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.customresources.crontabs import CRDS, CRONTABS, NAME, crontab, defined, definition, version
from tests.apiserver.serving import Api, names, serving

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "pattern": (
        {"cronSpec": "x"},
        r"""spec.cronSpec: Invalid value: "x": spec.cronSpec in body should match """
        r"""'^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$'""",
    ),
    "enum": ({"color": "blue"}, 'spec.color: Unsupported value: "blue": supported values: "red", "green"'),
    "maximum": (
        {"replicas": 99},
        "spec.replicas: Invalid value: 99: spec.replicas in body should be less than or equal to 10",
    ),
    "type": (
        {"replicas": "many"},
        'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
    ),
    "int or string": (
        {"port": True},
        'spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
    ),
    "map keys": ({"ports": [{"name": "a"}, {"name": "a"}]}, 'spec.ports[1]: Duplicate value: {"name":"a"}'),
}


@pytest.mark.parametrize(("spec", "message"), BAD.values(), ids=BAD.keys())
async def test_what_the_schema_does_not_allow_is_refused_in_upstreams_words(spec: dict[str, Any], message: str) -> None:
    async with serving() as api:
        await defined(api)
        answer = await api.http.post(CRONTABS, json=crontab(**spec))
        assert answer.status_code == 422
        assert answer.json()["message"] == f'CronTab.stable.example.com "a" is invalid: {message}'


async def test_unknown_fields_are_errors_warnings_or_nothing() -> None:
    async with serving() as api:
        await defined(api)
        strict = await api.http.post(CRONTABS, json=crontab(nope=1), params={"fieldValidation": "Strict"})
        assert strict.json()["message"] == (
            'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.nope"'
        )
        warned = await api.http.post(CRONTABS, json=crontab(nope=1), params={"fieldValidation": "Warn"})
        assert warned.headers["warning"] == '299 - "unknown field \\"spec.nope\\""'
        assert "nope" not in warned.json()["spec"]
        free = await api.make(CRONTABS, crontab("b", extra={"any": {"thing": 1}}), fieldValidation="Strict")
        assert free["spec"]["extra"] == {"any": {"thing": 1}}


async def test_status_and_spec_are_written_apart_and_only_spec_counts_generations() -> None:
    async with serving() as api:
        await defined(api)
        made = await api.make(CRONTABS, crontab() | {"status": {"replicas": 7}})
        assert "status" not in made
        said = await api.patch(f"{CRONTABS}/a/status", {"status": {"replicas": 2}, "spec": {"replicas": 9}})
        assert said.json()["status"] == {"replicas": 2}
        assert (said.json()["spec"]["replicas"], said.json()["metadata"]["generation"]) == (1, 1)
        changed = await api.patch(f"{CRONTABS}/a", {"spec": {"replicas": 3}, "status": {"replicas": 9}})
        assert (changed.json()["status"], changed.json()["metadata"]["generation"]) == ({"replicas": 2}, 2)


async def test_it_is_scaled_and_says_its_selector() -> None:
    async with serving() as api:
        await defined(api)
        await api.make(CRONTABS, crontab())
        await api.patch(f"{CRONTABS}/a/status", {"status": {"replicas": 2, "labelSelector": "app=x"}})
        scale = await api.patch(f"{CRONTABS}/a/scale", {"spec": {"replicas": 4}})
        assert scale.json()["spec"] == {"replicas": 4}
        assert scale.json()["status"] == {"replicas": 2, "selector": "app=x"}
        assert (await api.get(f"{CRONTABS}/a")).json()["spec"]["replicas"] == 4


async def test_objects_are_selected_by_the_fields_that_the_definition_names() -> None:
    async with serving() as api:
        await defined(api)
        await api.make(CRONTABS, crontab("a", color="red"))
        await api.make(CRONTABS, crontab("b", color="green"))
        assert names((await api.get(CRONTABS, fieldSelector="spec.color=red")).json()) == ["a"]
        assert (await api.get(CRONTABS, fieldSelector="spec.image=x")).status_code == 400


async def test_strategic_merge_patches_are_not_understood() -> None:
    async with serving() as api:
        await defined(api)
        await api.make(CRONTABS, crontab())
        answer = await api.patch(f"{CRONTABS}/a", {"spec": {}}, "strategic-merge-patch+json")
        assert answer.status_code == 415


async def test_what_was_wrong_before_does_not_stop_changes_elsewhere() -> None:
    async with serving() as api:
        await defined(api)
        await api.make(CRONTABS, crontab(replicas=9, color="red"))
        narrower = definition(version())
        spec = narrower["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        narrowed = {**spec, "properties": {**spec["properties"], "replicas": {"type": "integer", "maximum": 5}}}
        narrower["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = narrowed
        await api.patch(f"{CRDS}/{NAME}", {"spec": narrower["spec"]})
        assert (await api.patch(f"{CRONTABS}/a", {"spec": {"color": "green"}})).status_code == 200
        refused = await api.patch(f"{CRONTABS}/a", {"spec": {"replicas": 8}})
        assert refused.status_code == 422


async def ok(api: Api, *words: str, stdin: str = "") -> str:
    done = await api.kubectl(*words, stdin=stdin)
    assert done.code == 0, done.err
    return done.out


async def test_kubectl_creates_explains_shows_scales_and_deletes_it() -> None:
    import json

    async with serving() as api:
        await ok(api, "apply", "-f", "-", stdin=json.dumps(definition()))
        await ok(api, "wait", "--for=condition=Established", f"crd/{NAME}", "--timeout=5s")
        assert await ok(api, "apply", "-f", "-", stdin=json.dumps(crontab())) == (
            "crontab.stable.example.com/a created\n"
        )
        assert "FIELD: cronSpec <string>" in await ok(api, "explain", "ct.spec.cronSpec")
        await ok(api, "scale", "ct/a", "--replicas=4")
        shown = [line.split() for line in (await ok(api, "get", "ct")).splitlines()]
        assert shown[0] == ["NAME", "SPEC", "REPLICAS", "AGE"]
        assert shown[1][:-1] == ["a", "*", "*", "*", "*", "*/5", "4"]
        assert "crontab.stable.example.com/a" in await ok(api, "get", "all")
        assert await ok(api, "apply", "--server-side", "-f", "-", "--force-conflicts", stdin=json.dumps(crontab()))
        await ok(api, "delete", "crd", NAME)
        assert (await api.kubectl("get", "ct")).code == 1


async def test_a_new_object_has_the_default_of_its_status_and_not_the_status_it_brings() -> None:
    async with serving() as api:
        served = version()
        generation = {"type": "object", "properties": {"observedGeneration": {"type": "integer"}}}
        status = generation | {"default": {"observedGeneration": -1}}
        served["schema"]["openAPIV3Schema"]["properties"]["status"] = status
        await defined(api, definition(served))
        made = await api.make(CRONTABS, crontab() | {"status": {"observedGeneration": 7}})
        assert made["status"] == {"observedGeneration": -1}
        assert (await api.get(f"{CRONTABS}/a")).json()["status"] == {"observedGeneration": -1}
        changed = await api.patch(f"{CRONTABS}/a/status", {"status": {"observedGeneration": 1}})
        assert changed.json()["status"] == {"observedGeneration": 1}
