"""EndpointSlices and Endpoints: who stands behind a Service, from any beginning."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.client.resources import ENDPOINTS, ENDPOINTSLICES, NODES, PODS, SERVICES
from podling.controllers import endpoints, endpointslice
from tests.controllers.world import World, pod

LABELS = {"app": "web"}
HTTP = [{"name": "c", "image": "x", "ports": [{"name": "http", "containerPort": 8080}]}]


def service(**more: Any) -> dict[str, Any]:
    ports = [{"name": "web", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return {"metadata": {"name": "web", "uid": "svc-uid"}, "spec": {"selector": LABELS, "ports": ports} | more}


def told(world: World) -> list[dict[str, Any]]:
    return [endpoint for each in world.all(ENDPOINTSLICES) for endpoint in each["endpoints"]]


def addresses(world: World, **conditions: bool) -> list[str]:
    chosen = [each for each in told(world) if conditions.items() <= each["conditions"].items()]
    return sorted(each["addresses"][0] for each in chosen)


def run(world: World) -> None:
    world.run(endpointslice.CONTROLLER)
    world.run(endpoints.CONTROLLER)


def test_a_ready_pod_is_an_endpoint_with_everything_a_proxy_asks() -> None:
    world = World()
    world.add(SERVICES, service())
    world.add(NODES, {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "here"}}})
    world.add(PODS, pod("a", LABELS, ip="10.244.0.5", node="n1"))
    run(world)
    (slice_,) = world.all(ENDPOINTSLICES)
    assert slice_["metadata"]["labels"] == {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert slice_["metadata"]["ownerReferences"][0]["uid"] == "svc-uid"
    assert slice_["ports"] == [{"name": "web", "protocol": "TCP", "port": 8080}]
    uid = world.get(PODS, "a")["metadata"]["uid"]
    assert slice_["endpoints"] == [
        {
            "addresses": ["10.244.0.5"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": uid},
            "nodeName": "n1",
            "zone": "here",
        }
    ]
    (subset,) = world.get(ENDPOINTS, "web")["subsets"]
    assert [each["ip"] for each in subset["addresses"]] == ["10.244.0.5"]
    assert subset["ports"] == [{"name": "web", "protocol": "TCP", "port": 8080}]


CASES = [
    ("ready", {}, {}, (True, True, False), "addresses"),
    ("unready", {"ready": False}, {}, (False, False, False), "notReadyAddresses"),
    ("terminating", {"deleting": True}, {}, (False, True, True), None),
    ("terminating and unready", {"deleting": True, "ready": False}, {}, (False, False, True), None),
    ("unready but published", {"ready": False}, {"publishNotReadyAddresses": True}, (True, False, False), "addresses"),
    (
        "terminating but published",
        {"deleting": True},
        {"publishNotReadyAddresses": True},
        (True, True, True),
        "addresses",
    ),
]


@pytest.mark.parametrize(
    ("of_pod", "of_service", "conditions", "listed"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_conditions(
    of_pod: dict[str, Any], of_service: dict[str, Any], conditions: tuple[bool, bool, bool], listed: str | None
) -> None:
    world = World()
    world.add(SERVICES, service(**of_service))
    world.add(PODS, pod("a", LABELS, ip="10.244.0.5", **of_pod))
    run(world)
    (endpoint,) = told(world)
    assert tuple(endpoint["conditions"][name] for name in ("ready", "serving", "terminating")) == conditions
    subsets = world.get(ENDPOINTS, "web")["subsets"]
    assert [name for subset in subsets for name in subset if name != "ports"] == ([listed] if listed else [])


@pytest.mark.parametrize(
    "body",
    [pod("a", LABELS), pod("a", LABELS, ip="10.244.0.5", phase="Succeeded"), pod("a", {"app": "x"}, ip="10.244.0.5")],
    ids=["no address yet", "ended", "not selected"],
)
def test_who_is_no_endpoint(body: dict[str, Any]) -> None:
    world = World()
    world.add(SERVICES, service())
    world.add(PODS, body)
    run(world)
    assert told(world) == []
    assert len(world.all(ENDPOINTSLICES)) == 1
    assert world.get(ENDPOINTS, "web")["subsets"] == []


@pytest.mark.parametrize(
    ("distribution", "hints"),
    [
        (None, None),
        ("PreferClose", {"forZones": [{"name": "here"}]}),
        ("PreferSameZone", {"forZones": [{"name": "here"}]}),
        ("PreferSameNode", {"forZones": [{"name": "here"}], "forNodes": [{"name": "n1"}]}),
    ],
)
def test_ready_endpoints_tell_for_whom_they_are_near(distribution: str | None, hints: dict[str, Any] | None) -> None:
    world = World()
    world.add(SERVICES, service(trafficDistribution=distribution))
    world.add(NODES, {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "here"}}})
    world.add(PODS, pod("ready", LABELS, ip="10.244.0.5", node="n1"))
    world.add(PODS, pod("unready", LABELS, ip="10.244.0.6", node="n1", ready=False))
    run(world)
    found = {each["targetRef"]["name"]: each.get("hints") for each in told(world)}
    assert found == {"ready": hints, "unready": None}


def test_a_named_target_port_is_looked_up_in_each_pod() -> None:
    world = World()
    world.add(SERVICES, service(ports=[{"name": "web", "port": 80, "targetPort": "http", "protocol": "TCP"}]))
    other = [{"name": "c", "image": "x", "ports": [{"name": "http", "containerPort": 9090}]}]
    world.add(PODS, pod("a", LABELS, ip="10.244.0.5", containers=HTTP))
    world.add(PODS, pod("b", LABELS, ip="10.244.0.6", containers=other))
    run(world)
    found = {each["ports"][0]["port"]: each["endpoints"][0]["addresses"] for each in world.all(ENDPOINTSLICES)}
    assert found == {8080: ["10.244.0.5"], 9090: ["10.244.0.6"]}
    assert [each["ports"][0]["port"] for each in world.get(ENDPOINTS, "web")["subsets"]] == [8080, 9090]


def test_a_headless_service_without_ports_tells_addresses_and_hostnames() -> None:
    world = World()
    world.add(SERVICES, service(clusterIP="None", ports=[]))
    body = pod("a", LABELS, ip="10.244.0.5")
    body["spec"] |= {"hostname": "first", "subdomain": "web"}
    world.add(PODS, body)
    run(world)
    (slice_,) = world.all(ENDPOINTSLICES)
    assert slice_["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    assert slice_["endpoints"][0]["hostname"] == "first"
    (subset,) = world.get(ENDPOINTS, "web")["subsets"]
    assert subset["addresses"][0]["hostname"] == "first"
    assert "ports" not in subset


@pytest.mark.parametrize("spec", [{"selector": {}}, {"type": "ExternalName"}], ids=["no selector", "external name"])
def test_services_that_somebody_else_cares_for_are_left_alone(spec: dict[str, Any]) -> None:
    world = World()
    world.add(SERVICES, service(**spec))
    world.add(ENDPOINTS, {"metadata": {"name": "web"}, "subsets": [{"addresses": [{"ip": "192.0.2.1"}]}]})
    run(world)
    assert world.done == []


def test_two_hundred_and_fifty_pods_fill_three_slices_and_one_change_changes_one() -> None:
    world = World()
    world.add(SERVICES, service())
    for number in range(250):
        world.add(PODS, pod(f"p{number:03}", LABELS, ip=f"10.244.1.{number + 1}"))
    run(world)
    assert sorted(len(each["endpoints"]) for each in world.all(ENDPOINTSLICES)) == [50, 100, 100]
    world.done.clear()
    world.get(PODS, "p007")["status"]["conditions"][0]["status"] = "False"
    world.run(endpointslice.CONTROLLER)
    assert len(world.done) == 1
    assert len(addresses(world, ready=True)) == 249


def test_an_empty_slice_is_reused_when_the_first_pod_comes() -> None:
    world = World()
    world.add(SERVICES, service())
    world.run(endpointslice.CONTROLLER)
    (before,) = [each["metadata"]["name"] for each in world.all(ENDPOINTSLICES)]
    world.add(PODS, pod("a", LABELS, ip="10.244.0.5"))
    world.run(endpointslice.CONTROLLER)
    assert [each["metadata"]["name"] for each in world.all(ENDPOINTSLICES)] == [before]
    assert addresses(world) == ["10.244.0.5"]


def test_slices_of_a_former_service_of_that_name_go() -> None:
    world = World()
    world.add(SERVICES, service())
    world.add(PODS, pod("a", LABELS, ip="10.244.0.5"))
    world.run(endpointslice.CONTROLLER)
    world.get(SERVICES, "web")["metadata"]["uid"] = "newer"
    world.run(endpointslice.CONTROLLER)
    (slice_,) = world.all(ENDPOINTSLICES)
    assert slice_["metadata"]["ownerReferences"][0]["uid"] == "newer"


def test_the_endpoints_of_a_deleted_service_are_deleted() -> None:
    world = World()
    world.add(ENDPOINTS, {"metadata": {"name": "web"}})
    assert endpoints.CONTROLLER.vanished is not None
    world.carry_out(endpoints.CONTROLLER.vanished("core/services/default/web", world.view()))
    assert world.all(ENDPOINTS) == []


@st.composite
def any_pods(draw: st.DrawFn) -> list[dict[str, Any]]:
    def one(number: int) -> dict[str, Any]:
        return pod(
            f"p{number}",
            draw(st.sampled_from([LABELS, {"app": "other"}])),
            ip=draw(st.sampled_from(["", f"10.244.0.{number + 1}"])),
            phase=draw(st.sampled_from(["Pending", "Running", "Succeeded"])),
            ready=draw(st.booleans()),
            deleting=draw(st.booleans()),
            containers=draw(st.sampled_from([HTTP, [{"name": "c", "image": "x"}]])),
        )

    return [one(number) for number in range(draw(st.integers(0, 6)))]


def stray_slice(name: str, service_name: str, manager: str, ips: list[str]) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": service_name, "endpointslice.kubernetes.io/managed-by": manager}
    return {
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "web", "protocol": "TCP", "port": 8080}],
        "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips],
    }


@given(any_pods(), any_pods(), st.sampled_from([8080, "http"]))
def test_from_any_start_the_slices_converge_rest_and_never_touch_strangers(
    before: list[dict[str, Any]], after: list[dict[str, Any]], target: int | str
) -> None:
    world = World()
    world.add(SERVICES, service(ports=[{"name": "web", "port": 80, "targetPort": target, "protocol": "TCP"}]))
    world.add(ENDPOINTSLICES, stray_slice("hand-made", "web", "me", ["192.0.2.1"]))
    world.add(ENDPOINTSLICES, stray_slice("others", "other", "endpointslice-controller.k8s.io", ["192.0.2.2"]))
    strangers = copy.deepcopy([world.get(ENDPOINTSLICES, name) for name in ("hand-made", "others")])
    for pods in (before, after):
        for name in [each["metadata"]["name"] for each in world.all(PODS)]:
            del world.objects[PODS, "default", name]
        for body in pods:
            world.add(PODS, body)
        run(world)
        wanted = [
            each["status"]["podIP"]
            for each in world.all(PODS)
            if each["metadata"]["labels"] == LABELS
            and each["status"].get("podIP")
            and each["status"]["phase"] != "Succeeded"
        ]
        mine = [each for each in world.all(ENDPOINTSLICES) if each["metadata"]["name"] not in ("hand-made", "others")]
        found = [endpoint["addresses"][0] for each in mine for endpoint in each["endpoints"]]
        assert sorted(found) == sorted(wanted)
        assert all(each["endpoints"] for each in mine) or len(mine) == 1
    assert [world.get(ENDPOINTSLICES, name) for name in ("hand-made", "others")] == strangers
