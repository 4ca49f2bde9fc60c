"""What a CRD may not say, in upstream's words; golden text is reviewed as text."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.apiserver.customresources.crontabs import CRDS, CRONTABS, condition, crontab, defined, definition, version
from tests.apiserver.serving import serving

Json = dict[str, Any]
SCHEMA = "spec.validation.openAPIV3Schema"


def changed(path: str, value: Any) -> Json:
    """The definition with one field set; `path` below its only version's schema, or below spec with a leading dot."""
    crd = deepcopy(definition())
    at = crd["spec"] if path.startswith(".") else crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    *way, last = path.strip(".").split(".")
    for key in way:
        at = at[int(key)] if isinstance(at, list) else at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return crd


def webhook(*versions: str, **config: Any) -> Json:
    review = {"clientConfig": config, "conversionReviewVersions": list(versions or ("v1",))}
    return {"strategy": "Webhook", "webhook": review}


WRONG: dict[str, tuple[Json, str]] = {
    "a field without a type": (
        changed("properties.spec.properties.bare", {"description": "x"}),
        f"{SCHEMA}.properties[spec].properties[bare].type: Required value: "
        "must not be empty for specified object fields",
    ),
    "a list without items": (
        changed("properties.spec.properties.bare", {"type": "array"}),
        f"{SCHEMA}.properties[spec].properties[bare].items: Required value: must be specified",
    ),
    "a type inside of anyOf": (
        changed("properties.spec.anyOf", [{"type": "object"}]),
        f"{SCHEMA}.properties[spec].anyOf[0].type: Forbidden: must be empty to be structural",
    ),
    "named and free fields": (
        changed("properties.spec.additionalProperties", True),
        f"{SCHEMA}.properties[spec].additionalProperties: Forbidden: "
        "additionalProperties and properties are mutual exclusive",
    ),
    "unique items": (
        changed("properties.spec.properties.ports.uniqueItems", True),
        f"{SCHEMA}.properties[spec].properties[ports].uniqueItems: Forbidden: "
        "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
    ),
    "a default that is wrong": (
        changed("properties.spec.properties.replicas.default", 99),
        f"{SCHEMA}.properties[spec].properties[replicas].default: Invalid value: 99: "
        f"{SCHEMA}.properties[spec].properties[replicas].default in body should be less than or equal to 10",
    ),
    "a pattern that is none": (
        changed("properties.spec.properties.image.pattern", "("),
        f'{SCHEMA}.properties[spec].properties[image].pattern: Invalid value: "(": '
        "must be a valid regular expression, but isn't: ",
    ),
    "two storage versions": (
        definition(version(), version("v2")),
        'spec.versions: Invalid value: ["v1","v2"]: must have exactly one version marked as storage version',
    ),
    "an unknown scope": (
        changed(".scope", "Global"),
        'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
    ),
    "another name": (
        changed(".names.plural", "tabs"),
        'metadata.name: Invalid value: "crontabs.stable.example.com": must be spec.names.plural+"."+spec.group',
    ),
    "no schema": (
        changed(".versions.0.schema", None),
        "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
    ),
    "a scale path elsewhere": (
        changed(".versions.0.subresources.scale.specReplicasPath", ".status.x"),
        'spec.subresources.scale.specReplicasPath: Invalid value: ".status.x": should be a json path under .spec',
    ),
    "a conversion without its webhook": (
        changed(".conversion", {"strategy": "Webhook"}),
        "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook",
    ),
    "a conversion by two ways": (
        changed(".conversion", webhook(url="https://a.b", service={"name": "a", "namespace": "b"})),
        "spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required",
    ),
    "a conversion without TLS": (
        changed(".conversion", webhook(url="http://a.b")),
        "spec.conversion.webhookClientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme",
    ),
    "reviews of an unknown version": (
        changed(".conversion", webhook("v9", url="https://a.b")),
        'spec.conversion.conversionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1',
    ),
    "a selectable field that is none": (
        changed(".versions.0.selectableFields", [{"jsonPath": ".spec.nothing"}]),
        'spec.selectableFields[0].jsonPath: Invalid value: ".spec.nothing": '
        "is an invalid path: does not refer to a valid field",
    ),
    "a selectable object": (
        changed(".versions.0.selectableFields", [{"jsonPath": ".spec.extra"}]),
        'spec.selectableFields[0].jsonPath: Invalid value: ".spec.extra": '
        "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are "
        "allowed.",
    ),
    "a rule inside of anyOf": (
        changed("properties.spec.anyOf", [{"x-kubernetes-validations": [{"rule": "true"}]}]),
        f"{SCHEMA}.properties[spec].anyOf[0].x-kubernetes-validations: Forbidden: must be empty to be structural",
    ),
    "a set of objects that are no wholes": (
        changed(
            "properties.spec.properties.parts",
            {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}},
        ),
        f"{SCHEMA}.properties[spec].properties[parts].items.x-kubernetes-map-type: Invalid value: null: "
        "must be atomic as item of a list with x-kubernetes-list-type=set",
    ),
    "a map key that is a list": (
        changed(
            "properties.spec.properties.ports.items.properties.name", {"type": "array", "items": {"type": "string"}}
        ),
        f'{SCHEMA}.properties[spec].properties[ports].items.properties[name].type: Invalid value: "array": '
        "must be a scalar type if parent array's x-kubernetes-list-type is map",
    ),
    "a column type that is none": (
        changed(".versions.0.additionalPrinterColumns.0.type", "text"),
        'spec.additionalPrinterColumns[0].type: Invalid value: "text": '
        "must be one of boolean,date,integer,number,string",
    ),
}


@pytest.mark.parametrize(("crd", "message"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_definition_is_refused(crd: Json, message: str) -> None:
    async with serving() as api:
        answer = await api.http.post(CRDS, json=crd)
        assert answer.status_code == 422, answer.text
        assert message in answer.json()["message"]


async def test_established_names_stay() -> None:
    async with serving() as api:
        crd = await defined(api)
        answer = await api.patch(f"{CRDS}/{crd['metadata']['name']}", {"spec": {"scope": "Cluster"}})
        assert 'spec.scope: Invalid value: "Cluster": field is immutable' in answer.json()["message"]
        assert (await api.http.post("/apis/stable.example.com/v1/crontabs", json=crontab())).status_code == 405


@pytest.mark.parametrize(
    ("said", "status", "reason", "message"),
    [
        ("https://github.com/x/y/pull/1", "True", "ApprovedAnnotation", "approved in https://github.com/x/y/pull/1"),
        ("unapproved, a try", "False", "UnapprovedAnnotation", 'not approved: "unapproved, a try"'),
    ],
)
async def test_groups_of_the_community_need_its_word(said: str, status: str, reason: str, message: str) -> None:
    crd = definition()
    crd["metadata"] = {"name": "crontabs.stable.k8s.io"}
    crd["spec"]["group"] = "stable.k8s.io"
    async with serving() as api:
        refused = await api.http.post(CRDS, json=crd)
        assert 'must have approval annotation "api-approved.kubernetes.io"' in refused.json()["message"]
        crd["metadata"]["annotations"] = {"api-approved.kubernetes.io": said}
        found = condition(await defined(api, crd), "KubernetesAPIApprovalPolicy")
        assert (found["status"], found["reason"], found["message"]) == (status, reason, message)


async def test_an_item_that_was_wrong_before_stays_where_its_key_does() -> None:
    async with serving() as api:
        name = (await defined(api))["metadata"]["name"]
        await api.make(CRONTABS, crontab(ports=[{"name": "a", "port": 1}, {"name": "b", "port": 2}]))
        crd = (await api.get(f"{CRDS}/{name}")).json()
        ports = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["ports"]
        ports["items"]["properties"]["port"]["minimum"] = 10
        assert (await api.http.put(f"{CRDS}/{name}", json=crd)).status_code == 200
        moved = [{"name": "b", "port": 2}, {"name": "c", "port": 11}]
        assert (await api.patch(f"{CRONTABS}/a", {"spec": {"ports": moved}})).status_code == 200
        moved = [{"name": "b", "port": 3}, {"name": "c", "port": 11}]
        answer = await api.patch(f"{CRONTABS}/a", {"spec": {"ports": moved}})
        assert [each["field"] for each in answer.json()["details"]["causes"]] == ["spec.ports[0].port"]
