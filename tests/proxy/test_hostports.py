"""Host ports of Pods: which fronts they are, and that they lead to the Pod in both modes."""

from __future__ import annotations

import asyncio

import pytest

from podling.proxy.hostports import HostPort, fronts_of
from podling.proxy.services import Front, Place, Rule
from tests.network.nodes import NODE_IP
from tests.proxy.test_proxy import HOST_ADDRESS, MODES, Cluster, run

PLACE, POD = Place("n1", "172.31.0.2"), "10.244.0.5"
LED = Rule(((POD, 80),))


def fronts(address: str, ip: str = POD, host: str = "127.77.0.2") -> dict[Front, Rule]:
    return fronts_of([HostPort("TCP", address, 8080, 80)], ip, PLACE, host)


@pytest.mark.parametrize("any_address", ["", "0.0.0.0"])
def test_a_port_without_an_address_is_at_the_nodes_own_and_on_its_loopback(any_address: str) -> None:
    assert fronts(any_address) == {Front(PLACE.address, 8080, "TCP"): LED, Front("127.0.0.1", 8080, "TCP"): LED}


@pytest.mark.parametrize("address", [PLACE.address, "127.0.0.1", "127.77.0.2"])
def test_a_port_with_an_address_is_there_alone(address: str) -> None:
    assert fronts(address) == {Front(address, 8080, "TCP"): LED}


def test_a_pod_in_the_nodes_network_is_only_published() -> None:
    assert fronts("", PLACE.address) == {Front("127.77.0.2", 8080, "TCP"): Rule(((PLACE.address, 80),))}
    assert fronts("", PLACE.address, host="") == {}
    assert fronts("127.0.0.1", PLACE.address) == {}


@pytest.mark.real
@MODES
def test_host_ports_lead_to_their_pods_and_go_with_them(mode: str) -> None:
    async def scenario(made: Cluster) -> None:
        (a, port), (b, _) = await made.world.pod("a"), await made.world.pod("b")
        everywhere = [Front(address, 8088, "TCP") for address in (NODE_IP, "127.0.0.1", HOST_ADDRESS)]
        made.proxy.open_host_ports("a", a, [("TCP", "", 8088, port)])
        await applied(made)
        for front in everywhere:
            assert await made.world.answers(3, front) == {"a": 3}
        assert await made.world.answers(3, everywhere[0], "b") == {"a": 3}
        made.proxy.open_host_ports("b", b, [("TCP", "127.0.0.1", 8089, port), ("TCP", NODE_IP, 8090, port)])
        await applied(made)
        assert await made.world.answers(3, Front("127.0.0.1", 8089, "TCP")) == {"b": 3}
        assert await made.world.answers(3, Front(HOST_ADDRESS, 8090, "TCP")) == {"b": 3}
        made.proxy.close_host_ports("a")
        await applied(made)
        for front in everywhere:
            with pytest.raises(ConnectionRefusedError):
                await made.world.ask(front)
        assert await made.world.answers(3, Front("127.0.0.1", 8089, "TCP")) == {"b": 3}

    run(mode, scenario)


async def applied(made: Cluster) -> None:
    """One more change is in force."""
    before = made.proxy.applied.changes
    async with asyncio.timeout(5):
        while made.proxy.applied.changes == before:
            await asyncio.sleep(0.001)
