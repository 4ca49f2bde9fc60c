"""Mode nftables passes the suite; its rules leave nothing and its changes are small."""

from __future__ import annotations

import os
import resource
import subprocess
import time

import pytest

from podling.env import SystemEnv
from podling.proxy.libnftables import Command, Library, NftError, find_nft
from podling.proxy.mode import ModeConfig
from podling.proxy.modes.nftables import Nftables
from podling.proxy.services import Change, Front, Rule
from podling.supervise import Supervisor
from tests.network.nodes import NODE_IP, SERVICES, on_a_node
from tests.suites.proxy import ProxySuite, World

pytestmark = pytest.mark.real


class TestNftables(ProxySuite):
    mode = "nftables"

    def test_stop_leaves_no_rule(self) -> None:
        async def scenario(world: World) -> None:
            await world.mode.apply(Change({Front("10.96.0.10", 80, "TCP"): Rule((("10.244.0.9", 80),))}))
            assert b"table ip podling" in listed()
            await world.mode.stop()
            assert listed() == b""

        self.run(scenario)


def listed() -> bytes:
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, check=True).stdout


def service(number: int, endpoints: int = 3) -> tuple[Front, Rule]:
    address = f"10.{96 + number // 65536}.{number // 256 % 256}.{number % 256}"
    return Front(address, 80, "TCP"), Rule(tuple((f"10.244.{number % 250}.{n + 2}", 8080) for n in range(endpoints)))


def test_the_command_does_what_the_library_does() -> None:
    async def scenario() -> tuple[bytes, bytes]:
        texts = []
        for nft in (Library(), Command()):
            async with Supervisor() as tasks:
                mode = Nftables(ModeConfig(SystemEnv(), tasks, SERVICES, NODE_IP), nft)
                await mode.start(dict(service(number) for number in range(3)))
                await mode.apply(Change(dict([service(0, 2)]), (service(1)[0],)))
                texts.append(listed())
                await mode.stop()
        return texts[0], texts[1]

    library, command = on_a_node(scenario)
    assert b"10.96.0.0 . tcp . 80 : goto n2" in library
    assert library == command


def test_a_refused_change_says_why() -> None:
    async def scenario() -> None:
        for nft in (Library(), Command()):
            with pytest.raises(NftError, match="No such file or directory"):
                nft.run("delete table ip nothing\n")

    on_a_node(scenario)


def test_a_process_with_thousands_of_descriptors_is_not_ended_by_the_library() -> None:
    async def scenario() -> tuple[bool, bool]:
        early = Library()
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1500)]
        for nft in (early, find_nft()):
            nft.run("add table ip podling\n")
            assert b"podling" in listed()
            nft.run("delete table ip podling\n")
        for descriptor in held:
            os.close(descriptor)
        return isinstance(early, Library), isinstance(find_nft(), Library)

    assert on_a_node(scenario) == (True, True)


def test_one_of_two_thousand_services_is_changed_within_five_milliseconds() -> None:
    async def scenario() -> float:
        async with Supervisor() as tasks:
            mode = Nftables(ModeConfig(SystemEnv(), tasks, SERVICES, NODE_IP))
            await mode.start(dict(service(number) for number in range(2000)))
            took = []
            for number in range(20):
                start = time.perf_counter()
                await mode.apply(Change(dict([service(number, 2 + number % 2)])))
                took.append(time.perf_counter() - start)
            await mode.stop()
            return sorted(took)[10]

    assert on_a_node(scenario) < 0.005
