"""What the cluster's DNS answers: the specification's records, and what it says of everything else."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import EndpointSlice
from podling.dns.resolver import Resolver
from podling.wire import dns
from podling.wire.dns import Message, name_in

WEB = "web.default.svc.cluster.local"
DB = "db.default.svc.cluster.local"


def service(name: str = "web", **spec: Any) -> Service:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}, {"port": 81}]
    spec = {"clusterIP": "10.96.0.9", "ports": ports} | spec
    return msgspec.convert({"metadata": {"name": name, "namespace": "default"}, "spec": spec}, Service)


def endpoint_slice(*endpoints: dict[str, Any]) -> EndpointSlice:
    ports = [{"name": "mongo", "protocol": "TCP", "port": 27017}]
    return msgspec.convert({"addressType": "IPv4", "endpoints": list(endpoints), "ports": ports}, EndpointSlice)


def endpoint(address: str, hostname: str | None = None, ready: bool = True) -> dict[str, Any]:
    return {"addresses": [address], "hostname": hostname, "conditions": {"ready": ready}}


def resolver(*services: Service, slices: tuple[EndpointSlice, ...] = ()) -> Resolver:
    made = Resolver("cluster.local", "10.96.0.10")
    for found in services:
        made.update(("default", found.metadata.name), found, slices)
    return made


def ask(made: Resolver, name: str, type_: int = dns.A) -> Message:
    query = dns.parse_query(dns.pack_query(name, type_, 1))
    return dns.parse_message(dns.pack_answer(query, made.answer(query)))


def addresses(message: Message) -> list[str]:
    return [str(IPv4Address(record.data)) for record in message.answers if record.type == dns.A]


def kinds(records: tuple[dns.Record, ...]) -> list[int]:
    return [record.type for record in records]


def test_a_service_has_the_address_of_its_cluster_ip() -> None:
    answer = ask(resolver(service()), WEB)
    assert (answer.rcode, addresses(answer), answer.authoritative) == (dns.NOERROR, ["10.96.0.9"], True)
    assert addresses(ask(resolver(service()), WEB.upper())) == ["10.96.0.9"]


def test_ipv6_is_answered_with_nothing_but_no_error() -> None:
    answer = ask(resolver(service()), WEB, dns.AAAA)
    assert (answer.rcode, answer.answers, kinds(answer.authority)) == (dns.NOERROR, (), [dns.SOA])


def test_a_named_port_has_an_srv_record_with_the_address_beside_it() -> None:
    answer = ask(resolver(service()), f"_http._tcp.{WEB}", dns.SRV)
    assert [record.data for record in answer.answers] == [dns.srv_data(0, 100, 80, WEB)]
    assert [(record.name, record.data) for record in answer.additional] == [(WEB, bytes((10, 96, 0, 9)))]


def test_an_address_leads_back_to_its_service() -> None:
    answer = ask(resolver(service()), "9.0.96.10.in-addr.arpa", dns.PTR)
    assert [name_in(record.data) for record in answer.answers] == [WEB]


def test_an_external_name_is_an_alias() -> None:
    answer = ask(resolver(service(type="ExternalName", clusterIP="", externalName="db.example.com")), WEB)
    assert [(record.type, name_in(record.data)) for record in answer.answers] == [(dns.CNAME, "db.example.com")]


def test_an_alias_inside_the_cluster_is_followed() -> None:
    alias = service("alias", type="ExternalName", clusterIP="", externalName=WEB)
    answer = ask(resolver(service(), alias), "alias.default.svc.cluster.local")
    assert kinds(answer.answers) == [dns.CNAME, dns.A]
    assert addresses(answer) == ["10.96.0.9"]


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_an_alias_comes_before_what_it_leads_to_whosever_turn_it_is(turn: int) -> None:
    alias = service("alias", type="ExternalName", clusterIP="", externalName=WEB)
    query = dns.parse_query(dns.pack_query("alias.default.svc.cluster.local", dns.A, 1))
    answer = dns.parse_message(dns.pack_answer(query, resolver(service(), alias).answer(query), turn=turn))
    assert kinds(answer.answers) == [dns.CNAME, dns.A]


def test_aliases_in_a_circle_end() -> None:
    one = service("one", type="ExternalName", clusterIP="", externalName="two.default.svc.cluster.local")
    two = service("two", type="ExternalName", clusterIP="", externalName="one.default.svc.cluster.local")
    answer = ask(resolver(one, two), "one.default.svc.cluster.local")
    assert set(kinds(answer.answers)) == {dns.CNAME}


def test_a_headless_service_has_the_addresses_of_its_ready_endpoints() -> None:
    slices = endpoint_slice(endpoint("10.244.0.5"), endpoint("10.244.0.6"), endpoint("10.244.0.7", ready=False))
    made = resolver(service("db", clusterIP="None"), slices=(slices,))
    assert sorted(addresses(ask(made, DB))) == ["10.244.0.5", "10.244.0.6"]


def test_endpoints_of_a_headless_service_have_names_of_their_own() -> None:
    slices = endpoint_slice(endpoint("10.244.0.5", "db-0"), endpoint("10.244.0.6"))
    made = resolver(service("db", clusterIP="None"), slices=(slices,))
    assert addresses(ask(made, f"db-0.{DB}")) == ["10.244.0.5"]
    assert addresses(ask(made, f"10-244-0-6.{DB}")) == ["10.244.0.6"]
    reverse = ask(made, "5.0.244.10.in-addr.arpa", dns.PTR)
    assert [name_in(record.data) for record in reverse.answers] == [f"db-0.{DB}"]
    srv = ask(made, f"_mongo._tcp.{DB}", dns.SRV)
    assert {name_in(record.data[6:]) for record in srv.answers} == {f"db-0.{DB}", f"10-244-0-6.{DB}"}
    assert len(srv.additional) == 2


def test_a_pods_address_is_in_its_name() -> None:
    assert addresses(ask(resolver(), "10-244-0-5.default.pod.cluster.local")) == ["10.244.0.5"]
    assert ask(resolver(), "no-address.default.pod.cluster.local").rcode == dns.NXDOMAIN


@pytest.mark.parametrize(
    "name",
    [
        "nothing.default.svc.cluster.local",
        "example.com.default.svc.cluster.local",
        "web.svc.cluster.local",
        f"below.{WEB}",
        "7.0.96.10.in-addr.arpa",
    ],
)
def test_a_name_that_is_not_there_lets_the_search_path_go_on(name: str) -> None:
    answer = ask(resolver(service()), name)
    assert (answer.rcode, kinds(answer.authority), answer.authoritative) == (dns.NXDOMAIN, [dns.SOA], True)


@pytest.mark.parametrize("name", ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"])
def test_a_name_above_others_exists_without_an_address(name: str) -> None:
    answer = ask(resolver(service()), name)
    assert (answer.rcode, answer.answers) == (dns.NOERROR, ())


@pytest.mark.parametrize("name", ["example.com", "localdomain", "8.8.8.8.in-addr.arpa", "notcluster.local", ""])
def test_names_outside_of_the_cluster_are_refused(name: str) -> None:
    answer = ask(resolver(service()), name)
    assert (answer.rcode, answer.authoritative) == (dns.REFUSED, False)


def test_the_zone_describes_itself() -> None:
    made = resolver()
    assert kinds(ask(made, "cluster.local", dns.SOA).answers) == [dns.SOA]
    name_server = ask(made, "cluster.local", dns.NS)
    assert addresses(ask(made, name_in(name_server.answers[0].data))) == ["10.96.0.10"]
    assert ask(made, "dns-version.cluster.local", dns.TXT).answers[0].data == b"\x051.1.0"


def test_a_deleted_service_is_gone_with_all_its_names() -> None:
    made = resolver(service())
    ask(made, WEB)
    made.update(("default", "web"), None)
    for name in (WEB, f"_http._tcp.{WEB}", "default.svc.cluster.local"):
        assert ask(made, name).rcode == dns.NXDOMAIN


def test_a_service_that_dns_cannot_express_has_no_records() -> None:
    assert ask(resolver(service("x" * 64)), "x.default.svc.cluster.local").rcode == dns.NXDOMAIN


STATES = st.one_of(
    st.none(),
    st.just({}),
    st.just({"clusterIP": "10.96.0.20"}),
    st.just({"clusterIP": "None"}),
    st.just({"type": "ExternalName", "clusterIP": "", "externalName": "web.default.svc.cluster.local"}),
)


@given(st.lists(st.tuples(st.sampled_from(["web", "db"]), STATES, st.booleans()), max_size=10))
def test_any_way_to_a_state_gives_the_same_answers(steps: list[tuple[str, dict[str, str] | None, bool]]) -> None:
    walked, last = resolver(), dict[str, tuple[Service | None, tuple[EndpointSlice, ...]]]()
    for name, spec, with_endpoints in steps:
        slices = (endpoint_slice(endpoint("10.244.0.5", "pod")),) if with_endpoints else ()
        last[name] = service(name, **spec) if spec is not None else None, slices
        walked.update(("default", name), *last[name])
    direct = resolver()
    for name, (found, slices) in last.items():
        direct.update(("default", name), found, slices)
    for name in (WEB, DB, f"pod.{DB}", f"_http._tcp.{WEB}", "default.svc.cluster.local", "5.0.244.10.in-addr.arpa"):
        for type_ in (dns.A, dns.AAAA, dns.SRV, dns.PTR, dns.ANY):
            one, other = ask(walked, name, type_), ask(direct, name, type_)
            assert one._replace(answers=()) == other._replace(answers=())
            assert sorted(one.answers) == sorted(other.answers)
