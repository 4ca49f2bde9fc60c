"""Beside upstream's list: NetworkPolicies decide which Pods hear each other, in both proxy modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conformance.containers.nets import HTTP, UDP, Host, Net, net, port, server, service
from tests.conformance.kube import Json, Kube, eventually

Policies = Callable[..., None]


@pytest.fixture(scope="module")
def web(kube: Kube) -> Iterator[Net]:
    """A server with two ports behind Services, a friend and a stranger who ask."""
    with net(kube) as found:
        ports = {"ports": [{"name": "http", "containerPort": HTTP}]}
        web = server("web", f"http={HTTP},8082", f"udp={UDP}", container=ports)
        found.start(web, server("friend"), server("stranger"))
        found.services.create(service("web", "web", port("http"), port("other", 82, 8082), type="NodePort"))
        yield found


@pytest.fixture(scope="module")
def host(kube: Kube) -> Host:
    return Host(kube)


@pytest.fixture
def policies(web: Net) -> Iterator[Policies]:
    """Creates policies by name and spec; they are gone after the test."""
    there = web.at("networking.k8s.io/v1/networkpolicies")

    def create(**specs: Json) -> None:
        for name, spec in specs.items():
            answer = web.kube.raw("POST", there.path, {"metadata": {"name": name.replace("_", "-")}, "spec": spec})
            assert (answer.status_code, answer.headers.get("warning")) == (201, None), answer.text

    yield create
    there.delete_all()
    reaches(web, "stranger", "web")


def of(name: str) -> Json:
    return {"podSelector": {"matchLabels": {"app": name}}}


def reaches(web: Net, client: str, host: str, number: int = 80) -> None:
    eventually(lambda: web.dial(client, host, number).who == {"web"}, lambda: (client, host, number))


def heard(web: Net, client: str, *, directly: int = HTTP, by_service: int = 80) -> set[bool]:
    """Whether the server answers at its own address and at its Service's: both say the same."""
    return {bool(web.dial(client, web.ip("web"), directly).who), bool(web.dial(client, "web", by_service).who)}


def test_who_is_not_allowed_in_hears_nothing_until_the_policy_is_gone(
    web: Net, proxy_mode: str, policies: Policies, host: Host
) -> None:
    reaches(web, "stranger", "web")
    policies(deny={"podSelector": {}, "policyTypes": ["Ingress"]})
    eventually(lambda: heard(web, "stranger") == {False})
    assert heard(web, "friend") == {False}
    assert web.dial("web", f"web.{web.namespace}", 80).who == {"web"}  # itself
    assert web.dial("stranger", "kubernetes.default.svc", 443).failures  # answered, but not in HTTP
    # The node is free to speak to its Pods: probes, the API's proxy, and ports of the node.
    assert web.raw(web.door("web"), "hostname").text == "web"
    assert host.ask(web.services.get("web")["spec"]["ports"][0]["nodePort"]) == "web"
    policies(friend={**of("web"), "ingress": [{"from": [of("friend")], "ports": [{"port": "http"}]}]})
    eventually(lambda: heard(web, "friend") == {True})
    assert heard(web, "stranger") == {False}
    assert heard(web, "friend", directly=8082, by_service=82) == {False}
    assert not web.dial("friend", web.ip("web"), UDP, protocol="udp").who


def test_a_pod_that_gets_a_label_gets_what_its_policies_say(web: Net, proxy_mode: str, policies: Policies) -> None:
    policies(welcome={**of("web"), "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "guest"}}}]}]})
    eventually(lambda: heard(web, "stranger") == {False})
    web.pods.patch("stranger", {"metadata": {"labels": {"role": "guest"}}})
    eventually(lambda: heard(web, "stranger") == {True})
    web.pods.patch("stranger", {"metadata": {"labels": {"role": None}}})
    eventually(lambda: heard(web, "stranger") == {False})


def test_what_a_pod_may_say_is_told_by_its_own_policy(web: Net, proxy_mode: str, policies: Policies) -> None:
    block = {"ipBlock": {"cidr": "10.244.0.0/16", "except": [f"{web.ip('web')}/32"]}}
    policies(out={**of("friend"), "policyTypes": ["Egress"], "egress": [{"to": [block]}]})
    eventually(lambda: heard(web, "friend") == {False})
    assert heard(web, "stranger") == {True}
    assert web.dial("friend", web.ip("stranger"), HTTP).who == {"stranger"}
    policies(
        ports={**of("friend"), "policyTypes": ["Egress"], "egress": [{"ports": [{"port": 8000, "endPort": 8080}]}]}
    )
    eventually(lambda: heard(web, "friend") == {True})
    assert heard(web, "friend", directly=8082, by_service=82) == {False}


def test_namespaces_are_chosen_by_their_labels(web: Net, proxy_mode: str, policies: Policies, kube: Kube) -> None:
    name = "kubernetes.io/metadata.name"
    with net(kube) as other:
        other.start(server("guest"))
        policies(
            tenants={
                **of("web"),
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {name: other.namespace}}}]}],
            }
        )
        whole = f"web.{web.namespace}"
        eventually(lambda: not web.dial("friend", whole, 80).who)
        assert other.dial("guest", whole, 80).who == {"web"}
        assert other.dial("guest", web.ip("web"), HTTP).who == {"web"}
