"""NetworkPolicies in the kernel: what passes is what `permits` says, with real Pods' namespaces and sockets."""

from __future__ import annotations

import errno
import itertools
import random
from typing import Any

import pytest

from podling.env import SystemEnv
from podling.proxy.libnftables import Library
from podling.proxy.mode import ModeConfig, find_mode
from podling.proxy.policies import Inhabitant, Judgement, permits
from podling.proxy.policyjudging import judge
from podling.proxy.policytext import written
from podling.proxy.services import Change, Rule
from podling.supervise import Supervisor
from tests.network.nodes import NODE_IP, SERVICES, on_a_node
from tests.suites.proxy import NODE, PORT, VIP, World, heard

pytestmark = pytest.mark.real
NODES = "172.31.0.0/24"
A, B = ({"podSelector": {"matchLabels": {"pod": name}}} for name in "ab")
TCP: dict[str, Any] = {"port": PORT, "protocol": "TCP"}
POLICIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "default deny": {"deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}},
    "to a alone": {"in": {**A, "policyTypes": ["Ingress"]}},
    "from a to b by name": {
        "in": {**B, "policyTypes": ["Ingress"], "ingress": [{"from": [A], "ports": [{"port": "web"}]}]}
    },
    "out of a to b": {
        "out": {**A, "policyTypes": ["Egress"], "egress": [{"to": [B], "ports": [{"port": 8000, "endPort": 8100}]}]}
    },
    "both have to agree": {
        "out": {**A, "policyTypes": ["Egress"], "egress": [{"to": [B]}]},
        "in": {**B, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"protocol": "UDP"}]}]},
    },
    "blocks and many ports": {
        "in": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.0.2/32"]}}], "ports": [TCP]},
                {"from": [B], "ports": [TCP, {"port": 1, "endPort": 7000}, {"protocol": "SCTP"}, {"protocol": "UDP"}]},
            ],
        }
    },
}


def judged(world: World, policies: dict[str, Any]) -> Judgement:
    pods = [Inhabitant("ns", {"pod": name}, ip, (("web", "TCP", PORT),)) for name, ip in world.ips.items()]
    return judge({("ns", name): {"spec": spec} for name, spec in policies.items()}, pods, {"ns": {}})


async def passes(world: World, source: str, target: str) -> bool:
    try:
        await world.ask(VIP._replace(address=world.ips[target], port=PORT), source)
    except OSError as error:
        assert error.errno == errno.EHOSTUNREACH
        return False
    return True


async def datagram_passes(world: World, source: str, target: str) -> bool:
    with world.udp(VIP._replace(address=world.ips[target], port=PORT), source) as sock:
        try:
            return await heard(sock) == target
        except OSError:
            return False


def test_the_kernel_lets_pass_what_the_decision_permits() -> None:
    async def scenario() -> list[str]:
        world, nft, wrong = World(), Library(), list[str]()
        for name in "abc":
            await world.pod(name)
        for title, policies in POLICIES.items():
            judgement = judged(world, policies)
            nft.run("".join(written(judgement, NODES)))
            for source, target in itertools.product((NODE, *"abc"), "abc"):
                address = (world.ips[target], PORT)
                for protocol, reached in (("TCP", passes), ("UDP", datagram_passes)):
                    wanted = source == NODE or permits(judgement, world.ips[source], address, protocol)
                    if await reached(world, source, target) != wanted:
                        wrong.append(f"{title}: {protocol} from {source or 'the node'} to {target}, wanted {wanted}")
        return wrong

    assert on_a_node(scenario) == []


def test_the_kernel_and_the_decision_agree_about_any_policies() -> None:
    async def scenario() -> list[str]:
        chance, world, nft, wrong = random.Random(11), World(), Library(), list[str]()
        for name in "abc":
            await world.pod(name)
        for _ in range(60):
            policies = {f"p{n}": some_policy(chance) for n in range(chance.randint(1, 3))}
            judgement = judged(world, policies)
            nft.run("".join(written(judgement, NODES)))
            for source, target in itertools.permutations("abc", 2):
                wanted = permits(judgement, world.ips[source], (world.ips[target], PORT), "TCP")
                if await passes(world, source, target) != wanted:
                    wrong.append(f"from {source} to {target}, wanted {wanted}: {policies}")
        return wrong

    assert on_a_node(scenario) == []


def some_policy(chance: random.Random) -> dict[str, Any]:
    def selector() -> dict[str, Any]:
        values = chance.sample("abc", chance.randint(1, 2))
        wanted = {"key": "pod", "operator": chance.choice(["In", "NotIn"]), "values": values}
        return chance.choice([{}, {"matchLabels": {"pod": chance.choice("abc")}}, {"matchExpressions": [wanted]}])

    def peer() -> dict[str, Any]:
        block = {"cidr": chance.choice(["10.244.0.0/24", "10.244.0.2/31", "0.0.0.0/0"])}
        if chance.random() < 0.5:
            block["except"] = [chance.choice(["10.244.0.2/32", "10.244.0.3/32", "10.244.0.4/31"])]  # type: ignore[assignment]
        return chance.choice([{"podSelector": selector()}, {"namespaceSelector": {}}, {"ipBlock": block}])

    def port() -> dict[str, Any]:
        ranged = {"port": chance.randint(8000, 8085), "endPort": 8090}
        return chance.choice([{"port": PORT}, {"port": "web"}, ranged, {"protocol": "UDP"}, {"protocol": "TCP"}])

    def rules(peers: str) -> list[dict[str, Any]]:
        return [
            {
                **({peers: [peer() for _ in range(chance.randint(1, 2))]} if chance.random() < 0.8 else {}),
                **({"ports": [port() for _ in range(chance.randint(1, 3))]} if chance.random() < 0.6 else {}),
            }
            for _ in range(chance.randint(0, 2))
        ]

    types = chance.choice([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
    return {"podSelector": selector(), "policyTypes": types, "ingress": rules("from"), "egress": rules("to")}


def test_the_kernel_takes_a_hundred_policies() -> None:
    async def scenario() -> None:
        pods = [Inhabitant("ns", {"n": str(n)}, f"10.244.0.{n + 2}") for n in range(100)]
        policies = {
            ("ns", f"p{n}"): {
                "spec": {
                    "podSelector": {"matchLabels": {"n": str(n)}},
                    "policyTypes": ["Ingress", "Egress"],
                    "ingress": [{"from": [{"podSelector": {}}], "ports": [TCP]}],
                    "egress": [{"to": [A]}],
                }
            }
            for n in range(100)
        }
        Library().run("".join(written(judge(policies, pods, {"ns": {}}), NODES)))

    on_a_node(scenario)


def test_a_service_leads_past_no_policy_and_open_connections_go_on() -> None:
    async def scenario() -> None:
        world, nft = World(), Library()
        endpoint = await world.pod("a")
        await world.pod("b")
        async with Supervisor() as tasks:
            mode = find_mode("nftables")(ModeConfig(SystemEnv(), tasks, SERVICES, NODE_IP))
            await mode.start({VIP: Rule((endpoint,))})
            reader, writer = await world.connect(VIP, "b")
            await reader.readline()
            nft.run("".join(written(judged(world, POLICIES["to a alone"]), NODES)))
            with pytest.raises(OSError):
                await world.ask(VIP, "b")
            assert (await world.ask(VIP, "a"))[0] == "a"  # itself
            assert (await world.ask(VIP, NODE))[0] == "a"
            writer.write(b"still there\n")
            assert await reader.readline() == b"a heard still there\n"
            await mode.apply(Change({}, (VIP,)))
            nft.run("".join(written(judged(world, {}), NODES)))
            assert await passes(world, "b", "a")
            await mode.stop()

    on_a_node(scenario)
