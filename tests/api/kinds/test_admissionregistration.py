"""What is said of configurations of webhooks and of policies that cannot be, in upstream's words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from podling.api import cel
from podling.api.kinds.admissionregistration import mutatingadmissionpolicy, mutatingwebhookconfiguration
from podling.api.kinds.admissionregistration import validatingadmissionpolicy as policies
from podling.api.kinds.admissionregistration import validatingadmissionpolicybinding as bindings
from podling.api.kinds.admissionregistration.mutationtext import as_maps
from podling.api.kinds.apiregistration import apiservice

Json = dict[str, Any]
RULE: Json = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
HOOK: Json = {
    "name": "h.example.com",
    "clientConfig": {"service": {"namespace": "default", "name": "hook", "path": "/check"}},
    "rules": [RULE],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
POLICY: Json = {
    "failurePolicy": "Fail",
    "matchConstraints": {"resourceRules": [RULE]},
    "validations": [{"expression": "true"}],
}


def findings(causes: Any) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in causes]


def hook(**more: Any) -> list[str]:
    """What is wrong with a configuration of one webhook, after the path of it."""
    body = copy.deepcopy(HOOK) | more
    obj = {"kind": "MutatingWebhookConfiguration", "metadata": {"name": "x"}, "webhooks": [body]}
    found = findings(mutatingwebhookconfiguration.KIND.validate(obj))
    return [each.removeprefix("webhooks[0].") for each in found]


WRONG_HOOKS: list[tuple[Json, str]] = [
    ({"name": ""}, "name: Required value"),
    (
        {"name": "short.name"},
        'name: Invalid value: "short.name": should be a domain with at least three segments separated by dots',
    ),
    ({"sideEffects": None}, "sideEffects: Required value: must specify one of None, NoneOnDryRun"),
    ({"sideEffects": "Some"}, 'sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'),
    ({"timeoutSeconds": 31}, "timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"),
    ({"admissionReviewVersions": []}, "admissionReviewVersions: Required value: must specify one of v1, v1beta1"),
    (
        {"admissionReviewVersions": ["v9"]},
        'admissionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1',
    ),
    (
        {"admissionReviewVersions": ["v1", "v1"]},
        'admissionReviewVersions[1]: Invalid value: "v1": duplicate version',
    ),
    (
        {"reinvocationPolicy": "Always"},
        'reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"',
    ),
    ({"clientConfig": {}}, "clientConfig: Required value: exactly one of url or service is required"),
    (
        {"clientConfig": {"url": "http://a/b"}},
        "clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
    ),
    (
        {"clientConfig": {"url": "https://a/b?c=d"}},
        'clientConfig.url: Invalid value: "c=d": query parameters are not permitted in the URL; '
        "desired format: https://host[/path]",
    ),
    (
        {"clientConfig": {"service": {"name": "a", "namespace": ""}}},
        "clientConfig.service.namespace: Required value: service namespace is required",
    ),
    (
        {"clientConfig": {"service": {"name": "a", "namespace": "b", "path": "x"}}},
        "clientConfig.service.path: Invalid value: \"x\": must start with a '/'",
    ),
    ({"rules": [RULE | {"operations": []}]}, "rules[0].operations: Required value"),
    (
        {"rules": [RULE | {"operations": ["*", "CREATE"]}]},
        'rules[0].operations: Invalid value: ["*","CREATE"]: if \'*\' is present, must not specify other operations',
    ),
    (
        {"rules": [RULE | {"resources": ["pods/*", "pods/exec"]}]},
        "rules[0].resources[1]: Invalid value: \"pods/exec\": if 'pods/*' is present, must not specify pods/exec",
    ),
    (
        {"rules": [RULE | {"resources": ["*/*", "a"]}]},
        'rules[0].resources: Invalid value: ["*/*","a"]: if \'*/*\' is present, must not specify other resources',
    ),
    (
        {"rules": [RULE | {"scope": "All"}]},
        'rules[0].scope: Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"',
    ),
    ({"matchConditions": [{"name": "", "expression": "true"}]}, "matchConditions[0].name: Required value"),
    (
        {"matchConditions": [{"name": "a", "expression": "1"}]},
        'matchConditions[0].expression: Invalid value: "1": must evaluate to bool',
    ),
    (
        {"matchConditions": [{"name": "a", "expression": "true"}] * 2},
        'matchConditions[1].name: Duplicate value: "a"',
    ),
]


@pytest.mark.parametrize(("more", "wanted"), WRONG_HOOKS, ids=[wanted[:40] for _, wanted in WRONG_HOOKS])
def test_a_webhook_that_cannot_be_is_refused(more: Json, wanted: str) -> None:
    assert wanted in hook(**more)


def test_a_webhook_that_can_be_is_not() -> None:
    assert hook() == []
    assert (
        hook(clientConfig={"url": "https://127.0.0.1:8443/x"}, rules=[RULE | {"resources": ["*/scale", "pods"]}]) == []
    )


WRONG_POLICIES: list[tuple[Json, str]] = [
    ({"matchConstraints": None}, "spec.matchConstraints: Required value"),
    ({"matchConstraints": {}}, "spec.matchConstraints.resourceRules: Required value"),
    ({"failurePolicy": "Maybe"}, 'spec.failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"'),
    ({"paramKind": {"kind": "X"}}, "spec.paramKind.apiVersion: Required value"),
    (
        {"validations": [{"expression": " "}]},
        "spec.validations[0].expression: Required value: expression is not specified",
    ),
    (
        {"validations": [{"expression": "true", "message": "a\nb"}]},
        'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
    ),
    (
        {"validations": [{"expression": "true", "messageExpression": "1"}]},
        'spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string',
    ),
    (
        {"validations": [{"expression": "true", "reason": "Because"}]},
        'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", '
        '"RequestEntityTooLarge", "Unauthorized"',
    ),
    (
        {"variables": [{"name": "a", "expression": "1"}] * 2},
        'spec.variables[1].name: Duplicate value: "a"',
    ),
    (
        {"auditAnnotations": [{"key": "a", "valueExpression": "1"}]},
        'spec.auditAnnotations[0].valueExpression: Invalid value: "1": must evaluate to one of string, null',
    ),
]


@pytest.mark.parametrize(("more", "wanted"), WRONG_POLICIES, ids=[wanted[:40] for _, wanted in WRONG_POLICIES])
def test_a_policy_that_cannot_be_is_refused(more: Json, wanted: str) -> None:
    obj = {"metadata": {"name": "p"}, "spec": copy.deepcopy(POLICY) | more}
    assert wanted in findings(policies.KIND.validate(obj))


def test_expressions_name_only_what_is_there() -> None:
    def wrong(expression: str, **spec: Any) -> list[str]:
        body = copy.deepcopy(POLICY) | {"validations": [{"expression": expression}]} | spec
        return findings(policies.KIND.validate({"metadata": {"name": "p"}, "spec": body}))

    assert "undeclared reference to 'params" in wrong("params.x == 1")[0]
    assert wrong("params.x == 1", paramKind={"apiVersion": "v1", "kind": "ConfigMap"}) == []
    assert "undefined field 'later'" in wrong("variables.later")[0]
    assert wrong("variables.early > 1", variables=[{"name": "early", "expression": "size(object.x)"}]) == []
    assert "undefined field 'nam'" in wrong("namespaceObject.metadata.nam == ''")[0]


def test_a_binding_that_cannot_be_is_refused() -> None:
    spec = {"validationActions": [], "paramRef": {"name": "a", "selector": {}}}
    assert findings(bindings.KIND.validate({"kind": "ValidatingAdmissionPolicyBinding", "spec": spec})) == [
        "spec.policyName: Required value",
        "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
        "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
        "spec.paramRef.parameterNotFoundAction: Required value",
        "spec.validationActions: Required value",
    ]


def test_a_mutation_that_cannot_be_is_refused() -> None:
    mutations = [
        {"patchType": "JSONPatch", "applyConfiguration": {"expression": "Object{}"}},
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "[1]"}},
    ]
    spec = {**{key: POLICY[key] for key in ("failurePolicy", "matchConstraints")}, "mutations": mutations}
    found = findings(mutatingadmissionpolicy.KIND.validate({"metadata": {"name": "p"}, "spec": spec}))
    assert "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch" in found
    assert 'spec.mutations[1].applyConfiguration.expression: Invalid value: "[1]": must evaluate to Object' in found
    assert "spec.reinvocationPolicy: Required value" in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Object{}", "{}"),
        ("Object{spec: Object.spec{replicas: 1 + 2}}", '{"spec": {"replicas": 1 + 2}}'),
        ('Object{spec: Object.spec{a: ["Object{x: 1}", "}"]}}', '{"spec": {"a": ["Object{x: 1}", "}"]}}'),
        ("object.x ? Object{?a: b} : Object{}", 'object.x ? {?"a": b} : {}'),
        ("myObject{a: 1}", "myObject{a: 1}"),
        ('[JSONPatch{op: "add", path: "/a"}]', '[{"op": "add", "path": "/a"}]'),
        ('jsonpatch.escapeKey("a/" + x)', '("a/" + x).replace("~", "~0").replace("/", "~1")'),
    ],
)
def test_mutations_are_read_as_maps(text: str, wanted: str) -> None:
    assert as_maps(text) == wanted


@pytest.mark.parametrize("text", ["Object{spec: Object.metadata{}}", "Object{", "Object{1 + 2}"])
def test_what_is_no_object_is_no_expression(text: str) -> None:
    with pytest.raises(cel.CelSyntaxError):
        as_maps(text)


def test_an_apiservice_is_named_by_what_it_serves_and_local_ones_are_available_at_once() -> None:
    spec = {"version": "v1", "group": "", "groupPriorityMinimum": 18000, "versionPriority": 1}
    obj = {"metadata": {"name": "v1.", "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec}
    assert apiservice.KIND.validate(obj) == []
    apiservice.KIND.prepare_create(obj)
    assert apiservice.available(obj, 0) == "True"
    wrong = {"metadata": {"name": "x"}, "spec": {**spec, "version": "v2", "service": {"name": "a", "port": 0}}}
    assert findings(apiservice.KIND.validate(wrong)) == [
        'metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v2."',
        "spec.group: Required value: only v1 may have an empty group and it better be legacy kube",
        "spec.service.namespace: Required value",
        "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
    ]
