"""x-kubernetes-validations: rules that objects keep, in the words kubectl users know."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.apiserver.customresources.crontabs import CRDS, CRONTABS, SPEC, crontab, defined, definition, version
from tests.apiserver.serving import Api, serving

Json = dict[str, Any]
RULES = "x-kubernetes-validations"
SCHEMA = "spec.validation.openAPIV3Schema"
PARTS: Json = {
    "type": "array",
    "maxItems": 10,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string", "maxLength": 20}, "size": {"type": "integer"}},
    },
}


def ruled(*rules: Json, at: str = "spec", **properties: Any) -> Json:
    """The definition with rules at a place of its schema and more fields in its spec."""
    schema = deepcopy(version()["schema"])
    spec = schema["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"].update(deepcopy(properties))
    here = schema["openAPIV3Schema"]
    for key in at.split(".") if at else ():
        here = (
            here["items"] if key == "items" else here["additionalProperties"] if key == "*" else here["properties"][key]
        )
    here[RULES] = list(rules)
    return definition(version(schema=schema))


async def refused(api: Api, obj: Json) -> list[Json]:
    answer = await api.http.post(CRONTABS, json=obj)
    assert answer.status_code == 422, answer.text
    causes: list[Json] = answer.json()["details"]["causes"]
    return causes


async def test_an_object_that_breaks_a_rule_is_refused_with_its_message() -> None:
    crd = ruled(
        {"rule": "self.replicas < 5", "message": "few, please"},
        {"rule": "!has(self.color) || self.color != 'red'"},
        {"rule": "self.image != 'bad'", "messageExpression": "'never use ' + self.image", "message": "no"},
        {"rule": "self.replicas > 0 && self.image.size() > 2", "reason": "FieldValueForbidden", "fieldPath": ".image"},
    )
    async with serving() as api:
        await defined(api, crd)
        causes = await refused(api, crontab(replicas=7, color="red", image="bad"))
        assert causes == [
            {"field": "spec", "reason": "FieldValueInvalid", "message": "Invalid value: few, please"},
            {
                "field": "spec",
                "reason": "FieldValueInvalid",
                "message": "Invalid value: failed rule: !has(self.color) || self.color != 'red'",
            },
            {"field": "spec", "reason": "FieldValueInvalid", "message": "Invalid value: never use bad"},
        ]
        assert await refused(api, crontab(image="ab")) == [
            {
                "field": "spec.image",
                "reason": "FieldValueForbidden",
                "message": "Forbidden: failed rule: self.replicas > 0 && self.image.size() > 2",
            }
        ]
        assert (await api.http.post(CRONTABS, json=crontab(image="good", replicas=2))).status_code == 201


async def test_rules_see_metadata_at_the_root_and_each_item_of_lists_and_maps() -> None:
    crd = ruled({"rule": "self.metadata.name.startsWith('ok') && self.kind == 'CronTab'", "message": "name"}, at="")
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    spec["parts"] = deepcopy(PARTS)
    spec["parts"]["items"][RULES] = [{"rule": "self.size < 3"}]
    limits = {"type": "object", "additionalProperties": {"type": "integer", RULES: [{"rule": "self > 0"}]}}
    spec["limits"] = limits | {"maxProperties": 5}
    async with serving() as api:
        await defined(api, crd)
        obj = crontab("bad", parts=[{"name": "a", "size": 1}, {"name": "b", "size": 9}, {"name": "c"}], limits={"x": 0})
        assert [(each["field"], each["message"]) for each in await refused(api, obj)] == [
            ("<nil>", "Invalid value: name"),
            ("spec.parts[1]", "Invalid value: failed rule: self.size < 3"),
            ("spec.parts[2]", 'Invalid value: "object": no such key: size evaluating rule: self.size < 3'),
            ("spec.limits[x]", "Invalid value: 0: failed rule: self > 0"),
        ]


async def test_transition_rules_hold_new_against_old() -> None:
    crd = ruled(
        {"rule": "self.replicas >= oldSelf.replicas", "message": "only up"},
        {
            "rule": "!oldSelf.hasValue() || self.image == oldSelf.value().image",
            "optionalOldSelf": True,
            "message": "same",
        },
        parts={
            **PARTS,
            "items": {**PARTS["items"], RULES: [{"rule": "self.size == oldSelf.size", "message": "fixed"}]},
        },
    )
    async with serving() as api:
        await defined(api, crd)
        await api.make(CRONTABS, crontab(replicas=3, parts=[{"name": "a", "size": 1}, {"name": "b", "size": 2}]))
        answer = await api.patch(f"{CRONTABS}/a", {"spec": {"replicas": 2, "image": "other"}})
        assert [each["message"].rpartition(": ")[2] for each in answer.json()["details"]["causes"]] == [
            "only up",
            "same",
        ]
        moved = [{"name": "c", "size": 9}, {"name": "b", "size": 3}]
        answer = await api.patch(f"{CRONTABS}/a", {"spec": {"parts": moved}})
        assert [each["field"] for each in answer.json()["details"]["causes"]] == ["spec.parts[1]"]
        assert (await api.patch(f"{CRONTABS}/a", {"spec": {"replicas": 4}})).status_code == 200


async def test_what_was_invalid_before_and_is_left_alone_may_stay() -> None:
    async with serving() as api:
        name = (await defined(api, ruled()))["metadata"]["name"]
        await api.make(CRONTABS, crontab(replicas=9))
        schema = ruled({"rule": "self.replicas < 5"}, {"rule": "self.image != 'x'"})["spec"]["versions"][0]["schema"]
        crd = (await api.get(f"{CRDS}/{name}")).json()
        crd["spec"]["versions"][0]["schema"] = schema
        assert (await api.http.put(f"{CRDS}/{name}", json=crd)).status_code == 200
        answer = await api.patch(f"{CRONTABS}/a", {"metadata": {"labels": {"a": "b"}}})
        assert answer.status_code == 200, answer.text
        assert "spec: Invalid value: failed rule: self.replicas < 5" in answer.headers["warning"]
        answer = await api.patch(f"{CRONTABS}/a", {"spec": {"color": "red"}})
        assert answer.status_code == 422
        assert "failed rule: self.replicas < 5" in answer.json()["message"]


async def test_rules_wait_for_an_object_of_the_right_shape() -> None:
    async with serving() as api:
        await defined(api, ruled({"rule": "self.replicas < 5"}))
        causes = await refused(api, crontab(replicas="many"))
        assert causes[-1] == {
            "field": "<nil>",
            "reason": "FieldValueInvalid",
            "message": "Invalid value: null: some validation rules were not checked because the object was invalid; "
            "correct the existing errors to complete validation",
        }


async def test_a_status_is_held_to_its_rules_too() -> None:
    async with serving() as api:
        await defined(api, ruled({"rule": "self.replicas < 5"}, at="status"))
        await api.make(CRONTABS, crontab())
        answer = await api.patch(f"{CRONTABS}/a/status", {"status": {"replicas": 6}})
        assert answer.json()["details"]["causes"][0]["field"] == "status"


async def test_a_rule_that_runs_away_is_stopped_beside_the_loop() -> None:
    numbers = {"type": "array", "maxItems": 90, "items": {"type": "integer"}}
    rule = "self.numbers.all(a, self.numbers.all(b, self.numbers.all(c, a + b + c >= 0)))"
    async with serving() as api:
        await defined(api, ruled({"rule": rule, "message": "too much"}, numbers=numbers))
        causes = await refused(api, crontab(numbers=list(range(90))))
        assert causes[0]["message"] == (
            "Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules "
            "will be run due to call cost exceeds limit for rule: too much"
        )
        assert (await api.http.post(CRONTABS, json=crontab(numbers=list(range(20))))).status_code == 201


def inside(place: str, text: str) -> str:
    return f"{SCHEMA}.properties[{place}].{RULES}[0].{text}"


TEXT = {"type": "array", "items": {"type": "string"}}
WRONG: dict[str, tuple[Json, str]] = {
    "no rule": (ruled({"rule": " "}), inside("spec", "rule: Required value: rule is not specified")),
    "an unknown field": (
        ruled({"rule": "self.replcas < 5", "message": "few"}),
        inside("spec", 'rule: Invalid value: apiextensions.ValidationRule{Rule:"self.replcas < 5", Message:"few", ')
        + 'MessageExpression:"", Reason:(*apiextensions.FieldValueErrorReason)(nil), FieldPath:"", '
        "OptionalOldSelf:(*bool)(nil)}: compilation failed: ERROR: <input>:1:5: undefined field 'replcas'\n"
        " | self.replcas < 5\n | ....^",
    ),
    "another type": (
        ruled({"rule": "self.replicas < 'a'"}),
        "found no matching overload for '_<_' applied to '(int, string)'",
    ),
    "no truth": (
        ruled({"rule": "self.replicas + 1"}),
        "OptionalOldSelf:(*bool)(nil)}: cel expression must evaluate to a bool",
    ),
    "a message over lines": (
        ruled({"rule": "true", "message": "a\nb"}),
        inside("spec", 'message: Invalid value: "a\\nb": message must not contain line breaks'),
    ),
    "a message that is no text": (
        ruled({"rule": "true", "messageExpression": "1 + 1"}),
        "OptionalOldSelf:(*bool)(nil)}: messageExpression must evaluate to a string",
    ),
    "a reason that is none": (
        ruled({"rule": "true", "reason": "Because"}),
        inside("spec", 'reason: Unsupported value: "Because": supported values: "FieldValueDuplicate", '),
    ),
    "an old item that nothing finds": (
        ruled({"rule": "self == oldSelf"}, at="spec.words.items", words={**TEXT, "maxItems": 3}),
        "oldSelf cannot be used on the uncorrelatable portion of the schema within "
        f"{SCHEMA}.properties[spec].properties[words].items",
    ),
    "a default that breaks a rule": (
        ruled(word={"type": "string", "default": "bad", RULES: [{"rule": "self != 'bad'", "message": "not that"}]}),
        f'{SCHEMA}.properties[spec].properties[word].default: Invalid value: "bad": not that',
    ),
    "a path to nowhere": (
        ruled({"rule": "true", "fieldPath": ".nothing"}),
        inside("spec", 'fieldPath: Invalid value: ".nothing": fieldPath must be a valid path: '),
    ),
    "an optional that is not used": (
        ruled({"rule": "true", "optionalOldSelf": True}),
        inside("spec", "optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule"),
    ),
    "a rule without bounds": (
        ruled({"rule": "self.words.all(a, self.words.all(b, a == b))"}, words=TEXT),
        inside(
            "spec", "rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x (try simplifying"
        ),
    ),
}


@pytest.mark.parametrize(("crd", "message"), WRONG.values(), ids=WRONG.keys())
async def test_a_rule_that_cannot_stand_is_refused(crd: Json, message: str) -> None:
    async with serving() as api:
        answer = await api.http.post(CRDS, json=crd)
        assert answer.status_code == 422, answer.text
        assert message in answer.json()["message"]


async def test_words_that_cel_reserves_are_names_behind_a_dot() -> None:
    rule = {"rule": "!has(self.namespace) || self.namespace == self.__namespace__ && self.namespace != 'no'"}
    async with serving() as api:
        await defined(api, ruled(rule, namespace={"type": "string", "allOf": [{"maxLength": 63}]}))
        assert (await api.http.post(CRONTABS, json=crontab(namespace="no"))).status_code == 422
        assert (await api.http.post(CRONTABS, json=crontab(namespace="yes"))).status_code == 201


async def test_bounds_make_a_dear_rule_affordable() -> None:
    words = {"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 20}}
    async with serving() as api:
        await defined(api, ruled({"rule": "self.words.all(a, self.words.exists_one(b, a == b))"}, words=words))
        assert (await api.http.post(CRONTABS, json=crontab(words=["a", "b", "a"]))).status_code == 422
        assert SPEC["properties"]["replicas"]["default"] == 1


@pytest.mark.parametrize(
    ("pattern", "good"),
    [
        ("^(a+)+$", "aa"),
        ("^(a|aa)+$", "aaa"),
        ("a*a*a*a*a*a*b", "aab"),
        ("(x+x+)+y", "xxy"),
        (r"^\s*(\d+\s*){3}$", "1 2 3"),
    ],
)
async def test_no_pattern_of_a_schema_keeps_the_server_busy(pattern: str, good: str) -> None:
    async with serving() as api:
        await defined(api, ruled(evil={"type": "string", "pattern": pattern}))
        answer = await api.http.post(CRONTABS, json=crontab(evil="ax" + " 1" * 20_000 + "!"))
        assert f"should match '{pattern}'" in answer.json()["message"]
        assert (await api.http.post(CRONTABS, json=crontab(evil=good))).status_code == 201
