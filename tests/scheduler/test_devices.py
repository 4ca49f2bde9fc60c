"""Pods go where the devices are that their claims have or can get, and get what they asked for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from podling.api.kinds.core.pod import Pod
from podling.scheduler import allocation
from podling.scheduler.cycle import Cycle, Placement, Unschedulable
from podling.scheduler.devices import Devices, claim_of, class_of, slice_of
from podling.scheduler.plugins import default_plugins, dynamicresources
from podling.scheduler.snapshot import PodFacts, Snapshot, facts_of
from tests.scheduler.nodes import cluster, node

Json = dict[str, Any]
DRIVER = "gpu.example.com"


def gpu(name: str, model: str = "A", memory: str = "40Gi", **more: Any) -> Json:
    attributes = {"model": {"string": model}, "index": {"int": int(name[-1])}, "driver": {"version": "1.2.3"}}
    numa = more.pop("numa", None)
    if numa is not None:
        attributes["example.com/numa"] = {"int": numa}
    return {"name": name, "attributes": attributes, "capacity": {"memory": {"value": memory}}} | more


def slice_at(where: str, *devices: Json, name: str = "", generation: int = 1, count: int = 1, **more: Any) -> Json:
    """`where` is a node's name, or "" for every node."""
    place = {"nodeName": where} if where else {"allNodes": True}
    pool = {"name": where or "everywhere", "generation": generation, "resourceSliceCount": count}
    spec = {"driver": DRIVER, "pool": pool, "devices": list(devices)} | (more or place)
    return {"metadata": {"name": name or f"{where}-{generation}"}, "spec": spec}


def exactly(name: str = "gpu", *selectors: str, **more: Any) -> Json:
    wanted: Json = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1} | more
    return {"name": name, "exactly": wanted | {"selectors": _cel(selectors)}}


def _cel(selectors: tuple[str, ...]) -> list[Json]:
    return [{"cel": {"expression": each}} for each in selectors]


def claim(*requests: Json, name: str = "c", **more: Any) -> Json:
    status = more.pop("status", {})
    metadata = {"name": name, "namespace": "default", "uid": f"{name}-uid"} | more.pop("metadata", {})
    return {"metadata": metadata, "spec": {"devices": {"requests": list(requests)} | more}, "status": status}


def world(claims: list[Json], slices: list[Json], *selectors: str, **of_class: Any) -> Snapshot:
    snapshot = cluster(node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"}))
    devices = snapshot.devices = Devices()
    devices.claims = {(found := claim_of(each)).key: found for each in claims}
    for each in slices:
        devices.set_slice(each["metadata"]["name"], slice_of(each))
    chosen = selectors or (f'device.driver == "{DRIVER}"',)
    devices.classes = {"gpu": class_of({"spec": {"selectors": _cel(chosen)} | of_class})}
    return snapshot


def user(*names: str, **more: Any) -> PodFacts:
    claims = [{"name": name, "resourceClaimName": name} for name in names]
    spec = {"containers": [{"name": "c", "image": "x"}], "resourceClaims": more.pop("resourceClaims", claims)}
    body = {"metadata": {"name": "p", "namespace": "default", "uid": "p-uid"}, "spec": spec} | more
    return facts_of("core/pods/default/p", msgspec.convert(body, Pod))


def decide(snapshot: Snapshot, facts: PodFacts | None = None) -> Placement | Unschedulable:
    return Cycle(default_plugins()).decide(facts or user("c"), snapshot, 0.0)


def chosen(snapshot: Snapshot, where: str, *names: str) -> dict[str, list[str]] | None:
    """The devices by request that the Pod's claims would get on a node."""
    wanted = dynamicresources.personal(user(*(names or ("c",))), snapshot)
    assert isinstance(wanted, dynamicresources.Wanted), wanted
    given = dynamicresources.choice(wanted, snapshot.nodes[where])
    if given is None:
        return None
    found: dict[str, list[str]] = {}
    for each in given:
        found.setdefault(each.wish.name, []).append(each.device.id[2])
    return found


def test_a_pod_goes_where_the_device_is() -> None:
    assert decide(world([claim(exactly())], [slice_at("b", gpu("g0"))])) == Placement("b")


def test_without_devices_nothing_goes_anywhere() -> None:
    answer = decide(world([claim(exactly())], []))
    assert isinstance(answer, Unschedulable) and not answer.silent
    assert answer.message.startswith("0/2 nodes are available: 2 cannot allocate all claims.")


FOUR = [gpu("g0", "A", "40Gi"), gpu("g1", "B", "80Gi"), gpu("g2", "B", "80Gi"), gpu("g3", "A", "40Gi")]
CHOICES: list[tuple[str, Json, dict[str, list[str]] | None]] = [
    ("the first", claim(exactly()), {"gpu": ["g0"]}),
    ("as many as asked for", claim(exactly(count=3)), {"gpu": ["g0", "g1", "g2"]}),
    ("more than there are", claim(exactly(count=5)), None),
    ("all", claim(exactly(allocationMode="All", count=0)), {"gpu": ["g0", "g1", "g2", "g3"]}),
    ("by an attribute", claim(exactly("gpu", f'device.attributes["{DRIVER}"].model == "B"')), {"gpu": ["g1"]}),
    (
        "by capacity",
        claim(exactly("gpu", f'device.capacity["{DRIVER}"].memory.isGreaterThan(quantity("50Gi"))', count=2)),
        {"gpu": ["g1", "g2"]},
    ),
    (
        "by version",
        claim(exactly("gpu", f'device.attributes["{DRIVER}"].driver.isLessThan(semver("1.0.0"))')),
        None,
    ),
    ("two requests", claim(exactly("one"), exactly("two")), {"one": ["g0"], "two": ["g1"]}),
    (
        "a request that leaves the other what it needs",
        claim(exactly("any"), exactly("first", f'device.attributes["{DRIVER}"].index == 0')),
        {"any": ["g1"], "first": ["g0"]},
    ),
    (
        "the same attribute",
        claim(exactly("x", count=2), constraints=[{"matchAttribute": f"{DRIVER}/model"}]),
        {"x": ["g0", "g3"]},
    ),
    (
        "different attributes",
        claim(
            exactly("x"), exactly("y"), constraints=[{"distinctAttribute": f"{DRIVER}/model", "requests": ["x", "y"]}]
        ),
        {"x": ["g0"], "y": ["g1"]},
    ),
    (
        "an attribute that no device has",
        claim(exactly("x"), constraints=[{"matchAttribute": "example.com/numa"}]),
        None,
    ),
    (
        "the first alternative that can be had",
        claim(
            {
                "name": "gpu",
                "firstAvailable": [
                    {"name": "many", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 9},
                    {"name": "few", "deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 2},
                ],
            }
        ),
        {"gpu/few": ["g0", "g1"]},
    ),
]


@pytest.mark.parametrize(("wish", "expected"), [each[1:] for each in CHOICES], ids=[each[0] for each in CHOICES])
def test_which_devices_a_claim_gets(wish: Json, expected: dict[str, list[str]] | None) -> None:
    assert chosen(world([wish], [slice_at("a", *FOUR)]), "a") == expected


def test_what_another_claim_has_is_not_given_again() -> None:
    held = [{"request": "gpu", "driver": DRIVER, "pool": "a", "device": "g0"}]
    other = claim(exactly(), name="other", status={"allocation": {"devices": {"results": held}}})
    there = world([claim(exactly()), other], [slice_at("a", gpu("g0"), gpu("g1"))])
    assert chosen(there, "a") == {"gpu": ["g1"]}
    there.devices.assumed["default/third"] = ((DRIVER, "a", "g1"),)
    assert chosen(there, "a") is None


def test_all_means_that_nobody_else_has_one() -> None:
    held = [{"request": "gpu", "driver": DRIVER, "pool": "a", "device": "g0"}]
    other = claim(exactly(), name="other", status={"allocation": {"devices": {"results": held}}})
    slices = [slice_at("a", gpu("g0"), gpu("g1"))]
    assert chosen(world([claim(exactly(allocationMode="All", count=0)), other], slices), "a") is None


def test_two_claims_of_a_pod_do_not_share_a_device() -> None:
    there = world([claim(exactly("x"), name="c"), claim(exactly("y"), name="d")], [slice_at("a", gpu("g0"), gpu("g1"))])
    assert chosen(there, "a", "c", "d") == {"x": ["g0"], "y": ["g1"]}


def test_only_the_newest_generation_of_a_pool_counts_and_only_when_it_is_whole() -> None:
    old, new = slice_at("a", gpu("g0")), slice_at("a", gpu("g1"), generation=2)
    assert chosen(world([claim(exactly())], [old, new]), "a") == {"gpu": ["g1"]}
    half = slice_at("a", gpu("g2"), generation=3, count=2)
    there = world([claim(exactly())], [old, new, half])
    assert chosen(there, "a") is None
    there.devices.set_slice("rest", slice_of(slice_at("a", gpu("g3"), generation=3, count=2)))
    assert chosen(there, "a") == {"gpu": ["g2"]}


def test_a_tainted_device_wants_to_be_tolerated() -> None:
    tainted = gpu("g0", taints=[{"key": "unhealthy", "effect": "NoSchedule"}])
    assert chosen(world([claim(exactly())], [slice_at("a", tainted)]), "a") is None
    tolerant = exactly(tolerations=[{"key": "unhealthy", "operator": "Exists"}])
    assert chosen(world([claim(tolerant)], [slice_at("a", tainted)]), "a") == {"gpu": ["g0"]}


def test_a_rule_taints_what_it_selects() -> None:
    there = world([claim(exactly(count=2))], [slice_at("a", gpu("g0"), gpu("g1"))])
    rule = {"taint": {"key": "unhealthy", "effect": "NoSchedule"}}
    there.devices.rules = {"nothing": rule, "other": rule | {"deviceSelector": {"pool": "b"}}}
    assert chosen(there, "a") == {"gpu": ["g0", "g1"]}
    there.devices.rules["one"] = rule | {"deviceSelector": {"driver": DRIVER, "device": "g1"}}
    assert chosen(there, "a") is None


def test_devices_that_share_a_counter_are_given_while_it_lasts() -> None:
    def part(name: str, amount: str) -> Json:
        return gpu(name, consumesCounters=[{"counterSet": "card", "counters": {"memory": {"value": amount}}}])

    shared = [{"name": "card", "counters": {"memory": {"value": "40Gi"}}}]
    parts = [part("g0", "30Gi"), part("g1", "20Gi"), part("g2", "10Gi")]
    slices = [slice_at("a", *parts, nodeName="a", sharedCounters=shared)]
    assert chosen(world([claim(exactly(count=2))], slices), "a") == {"gpu": ["g0", "g2"]}
    assert chosen(world([claim(exactly(count=3))], slices), "a") is None


def test_a_pod_follows_what_its_claim_has() -> None:
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}]
    status = {"allocation": {"devices": {"results": []}, "nodeSelector": {"nodeSelectorTerms": terms}}}
    assert decide(world([claim(exactly(), status=status)], [])) == Placement("b")
    terms[0]["matchFields"][0]["values"] = ["c"]
    answer = decide(world([claim(exactly(), status=status)], []))
    assert isinstance(answer, Unschedulable)
    assert answer.message.startswith("0/2 nodes are available: 2 resourceclaim not available on the node.")


def test_a_selector_of_nodes_says_where_devices_can_be_reached() -> None:
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["2"]}]}]
    there = world([claim(exactly())], [slice_at("", gpu("g0"), nodeSelector={"nodeSelectorTerms": terms})])
    assert decide(there) == Placement("b")


HOPELESS = [
    (world([claim(exactly(deviceClassName="tpu"))], []), "request gpu: device class tpu does not exist"),
    (
        world([claim(exactly(adminAccess=True))], []),
        "claim default/c, request gpu: admin access is requested, but the feature is disabled",
    ),
    (
        world([claim(exactly("gpu", "device.foo"))], []),
        "claim default/c, request gpu: CEL selector #1: compilation failed",
    ),
]


@pytest.mark.parametrize(("there", "why"), HOPELESS, ids=["class", "admin", "expression"])
def test_what_can_never_be_is_told(there: Snapshot, why: str) -> None:
    answer = decide(there)
    assert isinstance(answer, Unschedulable) and not answer.silent
    assert answer.message.startswith(f"0/2 nodes are available: {why}")


def test_an_expression_that_fails_for_a_device_is_told() -> None:
    there = world([claim(exactly("gpu", f'device.attributes["{DRIVER}"].color == "red"'))], [slice_at("a", gpu("g0"))])
    answer = decide(there)
    assert isinstance(answer, Unschedulable)
    where = f"claim default/c, request gpu, device {DRIVER}/a/g0: CEL selector #1: no such key: color"
    assert where in answer.message


def test_a_pod_whose_claims_are_not_made_yet_is_not_decided_about() -> None:
    templated = user(resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "t"}])
    answer = decide(world([], []), templated)
    assert isinstance(answer, Unschedulable) and answer.silent
    missing = decide(world([], []))
    assert isinstance(missing, Unschedulable) and missing.silent
    made = {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "c"}]}
    mine = user(resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "t"}], status=made)
    foreign = decide(world([claim(exactly())], [slice_at("a", gpu("g0"))]), mine)
    assert isinstance(foreign, Unschedulable) and foreign.silent, "the claim is not the Pod's"
    owners = {"ownerReferences": [{"kind": "Pod", "uid": "p-uid", "controller": True}]}
    there = world([claim(exactly(), metadata=owners)], [slice_at("a", gpu("g0"))])
    assert decide(there, mine) == Placement("a")


def test_what_is_written_names_devices_node_and_configuration() -> None:
    opaque = {"opaque": {"driver": DRIVER, "parameters": {"mode": "shared"}}}
    wish = claim(exactly(), config=[opaque | {"requests": ["gpu"]}, opaque | {"requests": ["other"]}])
    there = world([wish], [slice_at("a", gpu("g0"))], config=[opaque])
    wanted = dynamicresources.personal(user("c"), there)
    assert isinstance(wanted, dynamicresources.Wanted)
    given = dynamicresources.choice(wanted, there.nodes["a"])
    assert given is not None
    field = {"key": "metadata.name", "operator": "In", "values": ["a"]}
    assert allocation.results(wanted.waiting[0], given, "a", there.devices) == {
        "devices": {
            "results": [{"request": "gpu", "driver": DRIVER, "pool": "a", "device": "g0"}],
            "config": [
                {"source": "FromClass", "requests": ["gpu"], **opaque},
                {"source": "FromClaim", "requests": ["gpu"], **opaque},
            ],
        },
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]},
    }


def test_a_search_without_end_ends() -> None:
    devices = [gpu(f"g{number}") for number in range(31)]
    impossible = [exactly("many", count=15), exactly("none", "false")]
    assert chosen(world([claim(*impossible)], [slice_at("a", *devices)]), "a") is None
