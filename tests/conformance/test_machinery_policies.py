"""sig-api-machinery: validating and mutating admission policies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conformance.kube import Json, Kube
from tests.conformance.operations import refused, walk

GROUP = "admissionregistration.k8s.io/v1"
VALIDATING = "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin]"
MUTATING = "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin]"


def constraints(namespace: str) -> Json:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return {"resourceRules": [rule], "namespaceSelector": selector}


def deployment(name: str, replicas: int) -> Json:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


@contextmanager
def validating(kube: Kube, name: str, namespace: str, **spec: Any) -> Iterator[None]:
    policies, bindings = (kube.at(f"{GROUP}/validatingadmissionpolic{end}") for end in ("ies", "ybindings"))
    policies.create({"metadata": {"name": name}, "spec": {"matchConstraints": constraints(namespace), **spec}})
    bindings.create({"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}})
    try:
        yield
    finally:
        bindings.delete(name)
        policies.delete(name)


@contextmanager
def mutating(kube: Kube, name: str, namespace: str, expression: str) -> Iterator[None]:
    policies, bindings = (kube.at(f"{GROUP}/mutatingadmissionpolic{end}") for end in ("ies", "ybindings"))
    mutation = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
    spec = {"matchConstraints": constraints(namespace), "mutations": [mutation], "reinvocationPolicy": "Never"}
    policies.create({"metadata": {"name": name}, "spec": spec})
    bindings.create({"metadata": {"name": name}, "spec": {"policyName": name}})
    try:
        yield
    finally:
        bindings.delete(name)
        policies.delete(name)


@pytest.mark.conformance(f"{VALIDATING} should validate against a Deployment [Conformance]")
def test_a_deployment_is_validated(kube: Kube, namespace: str) -> None:
    validations = [
        {
            "expression": "object.spec.replicas > 1",
            "messageExpression": "'wants 2+ replicas, got ' + string(object.spec.replicas)",
        },
        {"expression": "namespaceObject.metadata.name == object.metadata.namespace", "message": "Internal error!"},
    ]
    deployments = kube.at("apps/v1/deployments", namespace)
    with validating(kube, f"replicas-{namespace}", namespace, validations=validations):
        deployments.create(deployment("two", 2))
        found = refused(lambda: deployments.create(deployment("one", 1)))
        assert found.code == 422 and found.message.endswith("denied request: wants 2+ replicas, got 1")


@pytest.mark.conformance(f"{VALIDATING} should allow expressions to refer variables. [Conformance]")
def test_expressions_refer_to_variables(kube: Kube, namespace: str) -> None:
    variables = [
        {"name": "replicas", "expression": "object.spec.replicas"},
        {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
    ]
    validations = [{"expression": "variables.replicas > 1"}, {"expression": "variables.oddReplicas"}]
    deployments = kube.at("apps/v1/deployments", namespace)
    with validating(kube, f"odd-{namespace}", namespace, validations=validations, variables=variables):
        deployments.create(deployment("three", 3))
        for name, replicas, why in (("one", 1, "variables.replicas > 1"), ("two", 2, "variables.oddReplicas")):
            wrong = deployment(name, replicas)
            assert refused(lambda wrong=wrong: deployments.create(wrong)).message.endswith(f"failed expression: {why}")


@pytest.mark.conformance(f"{VALIDATING} should support ValidatingAdmissionPolicy API operations [Conformance]")
def test_validating_policies_have_every_verb(kube: Kube) -> None:
    def body(name: str) -> Json:
        spec = {"matchConstraints": constraints("nowhere"), "validations": [{"expression": "true"}]}
        return {"metadata": {"name": name}, "spec": spec}

    condition = {"type": "Seen", "status": "True", "reason": "Test", "message": "x"}

    def status(policy: Json) -> None:
        policy["status"] = {"conditions": [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]}

    walk(kube, kube.at(f"{GROUP}/validatingadmissionpolicies"), body, status)


@pytest.mark.conformance(f"{VALIDATING} should support ValidatingAdmissionPolicyBinding API operations [Conformance]")
def test_validating_bindings_have_every_verb(kube: Kube) -> None:
    spec = {"policyName": "nothing", "validationActions": ["Deny"]}
    resource = kube.at(f"{GROUP}/validatingadmissionpolicybindings")
    walk(kube, resource, lambda name: {"metadata": {"name": name}, "spec": spec})


@pytest.mark.conformance(f"{MUTATING} should mutate a Deployment [Conformance]")
def test_a_deployment_is_mutated(kube: Kube, namespace: str) -> None:
    expression = "Object{spec: Object.spec{replicas: object.spec.replicas + 1}}"
    with mutating(kube, f"more-{namespace}", namespace, expression):
        made = kube.at("apps/v1/deployments", namespace).create(deployment("one", 1))
    assert made["spec"]["replicas"] == 2


@pytest.mark.conformance(f"{MUTATING} should mutate a Deployment with annotations [Conformance]")
def test_a_deployment_is_annotated(kube: Kube, namespace: str) -> None:
    expression = 'Object{metadata: Object.metadata{annotations: {"my-foo-annotation": "myAnnotationValue"}}}'
    with mutating(kube, f"annotated-{namespace}", namespace, expression):
        made = kube.at("apps/v1/deployments", namespace).create(deployment("one", 1))
    assert made["metadata"]["annotations"]["my-foo-annotation"] == "myAnnotationValue"


@pytest.mark.conformance(f"{MUTATING} should support MutatingAdmissionPolicy API operations [Conformance]")
def test_mutating_policies_have_every_verb(kube: Kube) -> None:
    def body(name: str) -> Json:
        mutation = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}
        spec = {"matchConstraints": constraints("nowhere"), "mutations": [mutation], "reinvocationPolicy": "Never"}
        return {"metadata": {"name": name}, "spec": spec}

    walk(kube, kube.at(f"{GROUP}/mutatingadmissionpolicies"), body)


@pytest.mark.conformance(f"{MUTATING} should support MutatingAdmissionPolicyBinding API operations [Conformance]")
def test_mutating_bindings_have_every_verb(kube: Kube) -> None:
    resource = kube.at(f"{GROUP}/mutatingadmissionpolicybindings")
    walk(kube, resource, lambda name: {"metadata": {"name": name}, "spec": {"policyName": "nothing"}})
