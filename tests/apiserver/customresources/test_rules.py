"""What a CRD may not say, in upstream's words; golden text is reviewed as text."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.apiserver.customresources.crontabs import CRDS, crontab, defined, definition, version
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
