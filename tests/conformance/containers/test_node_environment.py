"""sig-node: variables of a container from ConfigMaps, Secrets, Services and one another."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.conformance.containers.pods import finished, pod
from tests.conformance.kube import Json, Kube

PREFIXES = ("", "1-", "$_-", "ABC_", "#@!")
"""Letters, digits and signs: since 1.34 every printable ASCII character but `=` may be in a name."""
DATA = {"data-1": "value-1", "data-2": "value-2", "data-3": "value-3"}


def env(kube: Kube, namespace: str, **container: Any) -> dict[str, str]:
    """The variables that a container found. No shell in between: it would drop names that are no shell's."""
    text = finished(kube, namespace, pod("p", "", container={"command": ["env"], **container}))
    return dict(line.split("=", 1) for line in text.splitlines())


def config_map(kube: Kube, namespace: str, **data: str) -> None:
    kube.at("v1/configmaps", namespace).create({"metadata": {"name": "found"}, "data": data or DATA})


def secret(kube: Kube, namespace: str) -> None:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in DATA.items()}
    kube.at("v1/secrets", namespace).create({"metadata": {"name": "hidden"}, "data": data})


def prefixed(reference: Json) -> list[Json]:
    return [{"prefix": prefix, **reference} if prefix else reference for prefix in PREFIXES]


# ConfigMaps


@pytest.mark.conformance(
    "[sig-node] ConfigMap should be consumable via environment variable [Conformance] [NodeConformance]"
)
def test_a_variable_holds_a_key_of_a_config_map(kube: Kube, namespace: str) -> None:
    config_map(kube, namespace)
    source = {"configMapKeyRef": {"name": "found", "key": "data-1"}}
    got = env(kube, namespace, env=[{"name": "CONFIG_DATA_1", "valueFrom": source}])
    assert got["CONFIG_DATA_1"] == "value-1"
    assert "data-2" not in got


@pytest.mark.conformance(
    "[sig-node] ConfigMap should be consumable via the environment [Conformance] [NodeConformance]"
)
def test_all_keys_of_a_config_map_are_variables(kube: Kube, namespace: str) -> None:
    config_map(kube, namespace, data_1="one", data_2="two", data_3="three")
    reference = {"configMapRef": {"name": "found"}}
    got = env(kube, namespace, envFrom=[reference, {"prefix": "p_", **reference}])
    assert {name: got.get(name) for name in ("data_1", "data_2", "data_3")} == {
        "data_1": "one",
        "data_2": "two",
        "data_3": "three",
    }
    assert (got["p_data_1"], got["p_data_2"], got["p_data_3"]) == ("one", "two", "three")


@pytest.mark.conformance(
    "[sig-node] ConfigMap should be consumable as environment variable names with various prefixes [Conformance]"
)
def test_keys_of_a_config_map_take_any_prefix(kube: Kube, namespace: str) -> None:
    config_map(kube, namespace)
    got = env(kube, namespace, envFrom=prefixed({"configMapRef": {"name": "found"}}))
    wanted = {prefix + key: value for prefix in PREFIXES for key, value in DATA.items()}
    assert wanted.items() <= got.items()


@pytest.mark.conformance("[sig-node] ConfigMap should update ConfigMap successfully [Conformance] [NodeConformance]")
def test_a_changed_config_map_is_what_the_next_container_finds(kube: Kube, namespace: str) -> None:
    config_map(kube, namespace)
    maps = kube.at("v1/configmaps", namespace)
    maps.change("found", lambda body: body.update(data={"data": "changed"}))
    assert maps.get("found")["data"] == {"data": "changed"}
    got = env(kube, namespace, envFrom=[{"configMapRef": {"name": "found"}}])
    assert got["data"] == "changed" and "data-1" not in got


# Secrets


@pytest.mark.conformance(
    "[sig-node] Secrets should be consumable from pods in env vars [Conformance] [NodeConformance]"
)
def test_a_variable_holds_a_key_of_a_secret(kube: Kube, namespace: str) -> None:
    secret(kube, namespace)
    source = {"secretKeyRef": {"name": "hidden", "key": "data-1"}}
    got = env(kube, namespace, env=[{"name": "SECRET_DATA", "valueFrom": source}])
    assert got["SECRET_DATA"] == "value-1"
    assert "data-2" not in got


@pytest.mark.conformance("[sig-node] Secrets should be consumable via the environment [Conformance] [NodeConformance]")
def test_all_keys_of_a_secret_are_variables(kube: Kube, namespace: str) -> None:
    secret(kube, namespace)
    reference = {"secretRef": {"name": "hidden"}}
    got = env(kube, namespace, envFrom=[reference, {"prefix": "p_", **reference}])
    assert DATA.items() <= got.items()
    assert {f"p_{key}": value for key, value in DATA.items()}.items() <= got.items()


@pytest.mark.conformance(
    "[sig-node] Secrets should be consumable as environment variable names variable names with various prefixes"
    " [Conformance]"
)
def test_keys_of_a_secret_take_any_prefix(kube: Kube, namespace: str) -> None:
    secret(kube, namespace)
    got = env(kube, namespace, envFrom=prefixed({"secretRef": {"name": "hidden"}}))
    wanted = {prefix + key: value for prefix in PREFIXES for key, value in DATA.items()}
    assert wanted.items() <= got.items()


# Services


@pytest.mark.conformance(
    "[sig-node] Pods should contain environment variables for services [Conformance] [NodeConformance]"
)
def test_services_of_the_namespace_are_variables(kube: Kube, namespace: str) -> None:
    spec = {"ports": [{"port": 8765, "targetPort": 8080}], "selector": {"name": "server"}}
    made = kube.at("v1/services", namespace).create({"metadata": {"name": "foo-service"}, "spec": spec})
    ip = made["spec"]["clusterIP"]
    got = env(kube, namespace)
    assert {name: value for name, value in got.items() if name.startswith("FOO_SERVICE_")} == {
        "FOO_SERVICE_SERVICE_HOST": ip,
        "FOO_SERVICE_SERVICE_PORT": "8765",
        "FOO_SERVICE_PORT": f"tcp://{ip}:8765",
        "FOO_SERVICE_PORT_8765_TCP": f"tcp://{ip}:8765",
        "FOO_SERVICE_PORT_8765_TCP_PROTO": "tcp",
        "FOO_SERVICE_PORT_8765_TCP_PORT": "8765",
        "FOO_SERVICE_PORT_8765_TCP_ADDR": ip,
    }


# Variables that name others


@pytest.mark.conformance(
    "[sig-node] Variable Expansion should allow composing env vars into new env vars [Conformance] [NodeConformance]"
)
def test_a_variable_is_composed_of_those_before_it(kube: Kube, namespace: str) -> None:
    variables = [
        {"name": "FOO", "value": "foo-value"},
        {"name": "BAR", "value": "bar-value"},
        {"name": "FOOBAR", "value": "$(FOO);;$(BAR)"},
        {"name": "EARLY", "value": "$(LATE) $$(FOO)"},
        {"name": "LATE", "value": "late"},
    ]
    got = env(kube, namespace, env=variables)
    assert (got["FOO"], got["BAR"], got["FOOBAR"]) == ("foo-value", "bar-value", "foo-value;;bar-value")
    assert got["EARLY"] == "$(LATE) $(FOO)"


TEST_VAR = [{"name": "TEST_VAR", "value": "test-value"}]


@pytest.mark.conformance(
    "[sig-node] Variable Expansion should allow substituting values in a container's command [Conformance]"
    " [NodeConformance]"
)
def test_a_command_names_variables(kube: Kube, namespace: str) -> None:
    script = 'TEST_VAR=wrong; echo "$(TEST_VAR) and $$TEST_VAR"'
    assert finished(kube, namespace, pod("p", script, container={"env": TEST_VAR})) == "test-value and wrong\n"


@pytest.mark.conformance(
    "[sig-node] Variable Expansion should allow substituting values in a container's args [Conformance]"
    " [NodeConformance]"
)
def test_arguments_name_variables(kube: Kube, namespace: str) -> None:
    words = {"command": ["sh", "-c"], "args": ['TEST_VAR=wrong; echo "$(TEST_VAR) and $$TEST_VAR"'], "env": TEST_VAR}
    assert finished(kube, namespace, pod("p", "", container=words)) == "test-value and wrong\n"
