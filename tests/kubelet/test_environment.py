"""Variables of a container: where they come from and in which order they win."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.kinds.core.configmap import ConfigMap
from podling.api.kinds.core.secret import Secret
from podling.api.kinds.core.service import Service
from podling.kubelet.downward import NodeFacts
from podling.kubelet.environment import ConfigError, Sources, environment, references
from podling.kubelet.expansion import expand
from tests.kubelet.pods import pod

NODE = NodeFacts("n1", "172.31.0.2", {"cpu": "2", "memory": "4Gi"})
SETTINGS = ConfigMap(data={"COLOR": "red", "SIZE": "9"})
HIDDEN = Secret(data={"PASSWORD": base64.b64encode(b"s3cret").decode()})
FILES = {("v", "set.env"): "COLOR='green'", ("v", "bad.env"): "COLOR=green", ("v", "gone.env"): None}
SOURCES = Sources({"settings": SETTINGS, "gone": None}, {"hidden": HIDDEN, "gone": None}, files=FILES)


def service(called: str, namespace: str = "default", ip: str = "10.96.0.7", **port: Any) -> Service:
    ports = [{"port": 6379, "protocol": "TCP", **port}]
    return msgspec.convert(
        {"metadata": {"name": called, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": ports}}, Service
    )


def variables(container: dict[str, Any], sources: Sources = SOURCES, **spec: Any) -> dict[str, str]:
    wanted = pod({"containers": [{"name": "main", "image": "app", **container}], **spec}, labels={"app": "web"})
    return dict(environment(wanted, wanted.spec.containers[0], "10.244.0.5", sources, NODE))


def ref(**value_from: Any) -> dict[str, Any]:
    return {"env": [{"name": "X", "valueFrom": value_from}]}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ({"fieldRef": {"fieldPath": "metadata.name"}}, "web"),
        ({"fieldRef": {"fieldPath": "metadata.labels['app']"}}, "web"),
        ({"fieldRef": {"fieldPath": "metadata.annotations['none']"}}, ""),
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "10.244.0.5"),
        ({"fieldRef": {"fieldPath": "status.hostIP"}}, "172.31.0.2"),
        ({"fieldRef": {"fieldPath": "spec.nodeName"}}, "n1"),
        ({"configMapKeyRef": {"name": "settings", "key": "COLOR"}}, "red"),
        ({"secretKeyRef": {"name": "hidden", "key": "PASSWORD"}}, "s3cret"),
        ({"fileKeyRef": {"volumeName": "v", "path": "set.env", "key": "COLOR"}}, "green"),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}, "64"),
        ({"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}, "250"),
        ({"resourceFieldRef": {"resource": "requests.cpu"}}, "1"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "2"),
    ],
)
def test_a_value_comes_from_where_it_is_said(source: dict[str, Any], value: str) -> None:
    resources = {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}}
    assert variables({**ref(**source), "resources": resources})["X"] == value


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ({"configMapKeyRef": {"name": "gone", "key": "x"}}, 'configmap "gone" not found'),
        ({"secretKeyRef": {"name": "gone", "key": "x"}}, 'secret "gone" not found'),
        ({"configMapKeyRef": {"name": "settings", "key": "x"}}, "couldn't find key x in ConfigMap default/settings"),
        ({"secretKeyRef": {"name": "hidden", "key": "x"}}, "couldn't find key x in Secret default/hidden"),
        ({"fileKeyRef": {"volumeName": "v", "path": "set.env", "key": "x"}},
         'environment variable key "x" not found in file "set.env"'),
        ({"fileKeyRef": {"volumeName": "v", "path": "gone.env", "key": "x"}},
         'couldn\'t parse env file: there is no file "gone.env" in volume "v"'),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_unless_it_is_optional(source: dict[str, dict[str, Any]], error: str) -> None:
    with pytest.raises(ConfigError) as raised:
        variables(ref(**source))
    assert str(raised.value) == error
    optional = {kind: {**body, "optional": True} for kind, body in source.items()}
    assert "X" not in variables(ref(**optional))


def test_a_file_of_variables_that_cannot_be_read_is_told_even_if_it_is_optional() -> None:
    bad = {"fileKeyRef": {"volumeName": "v", "path": "bad.env", "key": "COLOR", "optional": True}}
    with pytest.raises(ConfigError, match=r"couldn't parse env file: .* at line 1"):
        variables(ref(**bad))


def test_env_wins_over_env_from_and_may_refer_to_it() -> None:
    got = variables(
        {
            "envFrom": [{"prefix": "P_", "configMapRef": {"name": "settings"}}, {"secretRef": {"name": "hidden"}}],
            "env": [
                {"name": "P_COLOR", "value": "blue"},
                {"name": "BOTH", "value": "$(P_COLOR)-$(P_SIZE)-$(NONE)-$$(X)"},
            ],
        }
    )
    assert got == {"P_COLOR": "blue", "P_SIZE": "9", "PASSWORD": "s3cret", "BOTH": "blue-9-$(NONE)-$(X)"}


def test_services_of_the_namespace_and_kubernetes_are_variables() -> None:
    sources = Sources(services=(
        service("redis-master", name="main"),
        service("other", namespace="elsewhere"),
        service("headless", ip="None"),
        service("kubernetes", ip="10.96.0.1", port=443, name="https"),
    ))  # fmt: skip
    got = variables({}, sources)
    assert got["REDIS_MASTER_SERVICE_HOST"] == "10.96.0.7"
    assert got["REDIS_MASTER_SERVICE_PORT_MAIN"] == "6379"
    assert got["REDIS_MASTER_PORT"] == "tcp://10.96.0.7:6379"
    assert got["REDIS_MASTER_PORT_6379_TCP_ADDR"] == "10.96.0.7"
    assert got["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert not [name for name in got if name.startswith(("OTHER", "HEADLESS"))]


def test_without_service_links_only_kubernetes_is_left() -> None:
    sources = Sources(services=(service("redis"), service("kubernetes", ip="10.96.0.1", port=443)))
    got = variables({}, sources, enableServiceLinks=False)
    assert got["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert "REDIS_SERVICE_HOST" not in got


def test_references_name_what_has_to_be_watched() -> None:
    wanted = pod({"containers": [{"name": "main", "image": "app", "envFrom": [{"configMapRef": {"name": "a"}}],
                                  **ref(secretKeyRef={"name": "b", "key": "k"})}]})  # fmt: skip
    assert references(wanted) == (("a",), ("b",))


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$(B", "$(B"), ("$A", "$A"), ("$(Z)", "$(Z)"), ("a$", "a$")],
)
def test_expansion_follows_upstreams_table(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1"}) == expanded


@given(st.text(alphabet="ab$(){}", max_size=20))
def test_expansion_without_variables_only_unescapes_dollars(text: str) -> None:
    assert expand(text, {}).replace("$", "") == text.replace("$", "")
