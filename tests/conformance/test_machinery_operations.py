"""sig-api-machinery: the kinds that shape the API itself can be operated with every verb."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube
from tests.conformance.operations import discovered, walk, walk_status

NOWHERE = {"service": {"namespace": "default", "name": "nowhere"}, "caBundle": "Cg=="}


def condition(body: Json) -> None:
    body.setdefault("status", {})["conditions"] = [
        {
            "type": "Tried",
            "status": "True",
            "reason": "Conformance",
            "message": "tried",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]


@pytest.mark.conformance(
    "[sig-api-machinery] API priority and fairness should support FlowSchema API operations [Conformance]"
)
def test_flow_schemas(kube: Kube) -> None:
    def flow_schema(name: str) -> Json:
        subject = {"kind": "User", "user": {"name": "nobody-in-particular"}}
        rule = {"subjects": [subject], "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}
        return {
            "metadata": {"name": name},
            "spec": {
                "matchingPrecedence": 10000,
                "priorityLevelConfiguration": {"name": "global-default"},
                "distinguisherMethod": {"type": "ByUser"},
                "rules": [rule],
            },
        }

    walk(kube, kube.at("flowcontrol.apiserver.k8s.io/v1/flowschemas"), flow_schema, condition)


@pytest.mark.conformance(
    "[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations"
    " [Conformance]"
)
def test_priority_levels(kube: Kube) -> None:
    def level(name: str) -> Json:
        limited = {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}
        return {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}

    walk(kube, kube.at("flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"), level, condition)


def policy_rules() -> Json:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["nothings"]}
    return {"resourceRules": [rule]}


@pytest.mark.conformance(
    "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicy"
    " API operations [Conformance]"
)
def test_validating_admission_policies(kube: Kube) -> None:
    def policy(name: str) -> Json:
        validations = [{"expression": "object.spec.replicas <= 100"}]
        return {"metadata": {"name": name}, "spec": {"matchConstraints": policy_rules(), "validations": validations}}

    walk(kube, kube.at("admissionregistration.k8s.io/v1/validatingadmissionpolicies"), policy, condition)


@pytest.mark.conformance(
    "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support"
    " ValidatingAdmissionPolicyBinding API operations [Conformance]"
)
def test_validating_admission_policy_bindings(kube: Kube) -> None:
    def binding(name: str) -> Json:
        return {"metadata": {"name": name}, "spec": {"policyName": "replicas", "validationActions": ["Deny"]}}

    walk(kube, kube.at("admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"), binding)


@pytest.mark.conformance(
    "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicy API"
    " operations [Conformance]"
)
def test_mutating_admission_policies(kube: Kube) -> None:
    def policy(name: str) -> Json:
        expression = 'Object{metadata: Object.metadata{labels: {"a": "b"}}}'
        mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
        spec = {"matchConstraints": policy_rules(), "mutations": [mutation], "reinvocationPolicy": "Never"}
        return {"metadata": {"name": name}, "spec": spec}

    walk(kube, kube.at("admissionregistration.k8s.io/v1/mutatingadmissionpolicies"), policy)


@pytest.mark.conformance(
    "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support"
    " MutatingAdmissionPolicyBinding API operations [Conformance]"
)
def test_mutating_admission_policy_bindings(kube: Kube) -> None:
    walk(
        kube,
        kube.at("admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"),
        lambda name: {"metadata": {"name": name}, "spec": {"policyName": "labels"}},
    )


@pytest.mark.conformance(
    "[sig-api-machinery] StorageVersionMigration CRUD Tests storagemigration.k8s.io/v1 StorageVersionMigration"
    " [Conformance]"
)
def test_storage_version_migrations(kube: Kube) -> None:
    def migration(name: str) -> Json:
        return {
            "metadata": {"name": name},
            "spec": {"resource": {"group": "nothing.example.com", "resource": "nothings"}},
        }

    migrations = kube.at("storagemigration.k8s.io/v1/storageversionmigrations")
    walk(kube, migrations, migration)
    migrations.create(migration("with-status"))
    walk_status(migrations, "with-status", condition)
    migrations.delete("with-status")


def webhook(name: str, **more: object) -> Json:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nothings"]}
    return {
        "name": f"{name}.example.com",
        "rules": [rule],
        "clientConfig": NOWHERE,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }


@pytest.mark.conformance(
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to create and update mutating"
    " webhook configurations with match conditions [Conformance]"
)
def test_mutating_webhooks_carry_match_conditions(kube: Kube) -> None:
    match_conditions(kube, "mutatingwebhookconfigurations")


@pytest.mark.conformance(
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to create and update validating"
    " webhook configurations with match conditions [Conformance]"
)
def test_validating_webhooks_carry_match_conditions(kube: Kube) -> None:
    match_conditions(kube, "validatingwebhookconfigurations")


def match_conditions(kube: Kube, plural: str) -> None:
    hooks = kube.at(f"admissionregistration.k8s.io/v1/{plural}")
    first = {"name": "not-leases", "expression": "!(request.resource.group == 'coordination.k8s.io')"}
    made = hooks.create({"metadata": {"name": "matching"}, "webhooks": [webhook("m", matchConditions=[first])]})
    assert made["webhooks"][0]["matchConditions"] == [first]
    second = {"name": "not-nodes", "expression": "!('system:nodes' in request.userInfo.groups)"}
    changed = hooks.change("matching", lambda body: body["webhooks"][0]["matchConditions"].append(second))
    assert changed["webhooks"][0]["matchConditions"] == [first, second]
    hooks.delete("matching")


@pytest.mark.conformance(
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should include webhook resources in discovery"
    " documents [Conformance]"
)
def test_webhook_configurations_are_discovered(kube: Kube) -> None:
    for plural in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        found = discovered(kube, kube.at(f"admissionregistration.k8s.io/v1/{plural}"))
        assert found["namespaced"] is False
