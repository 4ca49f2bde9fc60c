"""Addresses and node ports of Services: claimed, kept, given back, repaired."""

from __future__ import annotations

import asyncio

from podling.storage.memory import MemoryStorage
from tests.apiserver.serving import DEFAULT, Api, Json, serving

SERVICES = f"{DEFAULT}/services"


async def service(api: Api, name: str, **spec: object) -> Json:
    return await api.make(SERVICES, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}})


async def refusal(api: Api, name: str, **spec: object) -> str:
    body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
    answer = await api.http.post(SERVICES, json=body)
    assert answer.status_code == 422, answer.text
    return str(answer.json()["message"])


async def test_the_kubernetes_service_has_the_first_address() -> None:
    async with serving() as api:
        spec = (await api.get(f"{SERVICES}/kubernetes")).json()["spec"]
        assert spec["clusterIP"] == "10.96.0.1" and spec["ports"][0]["targetPort"] == 6443


async def test_a_service_gets_an_address_that_is_an_object() -> None:
    async with serving() as api:
        spec = (await service(api, "a"))["spec"]
        assert spec["clusterIPs"] == [spec["clusterIP"]] and spec["ipFamilies"] == ["IPv4"]
        assert spec["ipFamilyPolicy"] == "SingleStack" and spec["internalTrafficPolicy"] == "Cluster"
        address = (await api.get(f"/apis/networking.k8s.io/v1/ipaddresses/{spec['clusterIP']}")).json()
        assert address["spec"]["parentRef"]["name"] == "a"


async def test_many_services_at_once_get_different_addresses_and_ports() -> None:
    async with serving() as api:
        made = await asyncio.gather(*(service(api, f"s{i}", type="NodePort") for i in range(20)))
        assert len({each["spec"]["clusterIP"] for each in made}) == 20
        ports = {each["spec"]["ports"][0]["nodePort"] for each in made}
        assert len(ports) == 20 and all(30000 <= port <= 32767 for port in ports)


async def test_a_taken_node_port_is_refused_and_its_address_is_given_back() -> None:
    async with serving() as api:
        await service(api, "a", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
        before = len(api.server.backend.cache.list("networking.k8s.io/ipaddresses/"))
        text = await refusal(api, "b", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
        assert text == (
            'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated'
        )
        assert len(api.server.backend.cache.list("networking.k8s.io/ipaddresses/")) == before


async def test_addresses_outside_and_taken_ones_are_refused() -> None:
    async with serving() as api:
        outside = await refusal(api, "a", clusterIP="192.168.1.1")
        assert "failed to allocate IP 192.168.1.1: the provided network does not match the current range" in outside
        taken = await refusal(api, "a", clusterIP="10.96.0.1")
        assert "failed to allocate IP 10.96.0.1: provided IP is already allocated" in taken


async def test_a_deleted_service_gives_everything_back() -> None:
    async with serving() as api:
        asked = {"type": "NodePort", "clusterIP": "10.96.7.7", "ports": [{"port": 80, "nodePort": 30080}]}
        await service(api, "a", **asked)
        await api.http.delete(f"{SERVICES}/a")
        assert (await service(api, "b", **asked))["spec"]["clusterIP"] == "10.96.7.7"


async def test_one_number_serves_a_port_in_two_protocols() -> None:
    async with serving() as api:
        both = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
        ports = (await service(api, "dns", type="NodePort", ports=both))["spec"]["ports"]
        assert ports[0]["nodePort"] == ports[1]["nodePort"]


async def test_headless_and_external_services_have_no_address() -> None:
    async with serving() as api:
        assert (await service(api, "h", clusterIP="None"))["spec"]["clusterIPs"] == ["None"]
        external = await service(api, "e", type="ExternalName", externalName="example.com")
        assert "clusterIP" not in external["spec"]


async def test_changing_the_type_claims_and_frees_ports() -> None:
    async with serving() as api:
        made = await service(api, "a")
        changed = (await api.patch(f"{SERVICES}/a", {"spec": {"type": "NodePort"}})).json()
        port = changed["spec"]["ports"][0]["nodePort"]
        assert changed["spec"]["clusterIP"] == made["spec"]["clusterIP"] and port
        back = await api.patch(f"{SERVICES}/a", {"spec": {"type": "ClusterIP"}})
        assert "nodePort" not in back.json()["spec"]["ports"][0], back.text
        await service(api, "b", type="NodePort", ports=[{"port": 80, "nodePort": port}])


async def test_a_put_without_address_and_port_keeps_them() -> None:
    async with serving() as api:
        made = await service(api, "a", type="NodePort")
        sent = {
            "metadata": {"name": "a"},
            "spec": {"type": "NodePort", "ports": [{"port": 80}], "selector": {"x": "y"}},
        }
        after = (await api.http.put(f"{SERVICES}/a", json=sent)).json()
        assert after["spec"]["clusterIP"] == made["spec"]["clusterIP"]
        assert after["spec"]["ports"][0]["nodePort"] == made["spec"]["ports"][0]["nodePort"]


async def test_a_restart_repairs_claims_that_a_crash_left() -> None:
    storage = MemoryStorage()
    async with serving(storage) as api:
        made = await service(api, "a", type="NodePort")
        key = f"networking.k8s.io/ipaddresses/{made['spec']['clusterIP']}"
        await storage.delete(key, expect=api.server.backend.cache.get(key).revision)  # type: ignore[union-attr]
        await storage.create("internal/nodeports/31000", b'{"metadata":{"name":"31000"},"service":"default/lost"}')
    async with serving(storage) as api:
        assert api.server.backend.cache.get(key) is not None
        await service(api, "b", type="NodePort", ports=[{"port": 80, "nodePort": 31000}])


RANGES = "/apis/networking.k8s.io/v1/servicecidrs"
READY = {"type": "Ready", "status": "True", "reason": "", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}


async def ready_range(api: Api, name: str, cidr: str) -> None:
    """A range as a controller leaves it."""
    await api.make(RANGES, {"metadata": {"name": name}, "spec": {"cidrs": [cidr]}})
    answer = await api.patch(f"{RANGES}/{name}/status", {"status": {"conditions": [READY]}})
    assert answer.status_code == 200, answer.text


async def test_the_range_of_the_cluster_is_an_object_that_is_ready() -> None:
    async with serving() as api:
        cidr = (await api.get(f"{RANGES}/kubernetes")).json()
        assert cidr["spec"]["cidrs"] == ["10.96.0.0/12"]
        assert [(each["type"], each["status"]) for each in cidr["status"]["conditions"]] == [("Ready", "True")]


async def test_addresses_come_from_a_further_range_once_it_is_ready() -> None:
    async with serving() as api:
        await api.make(RANGES, {"metadata": {"name": "early"}, "spec": {"cidrs": ["10.201.0.0/24"]}})
        assert "does not match" in await refusal(api, "a", clusterIP="10.201.0.7")
        await ready_range(api, "more", "10.200.0.0/24")
        assert (await service(api, "b", clusterIP="10.200.0.7"))["spec"]["clusterIP"] == "10.200.0.7"
        address = (await api.get("/apis/networking.k8s.io/v1/ipaddresses/10.200.0.7")).json()
        assert address["spec"]["parentRef"]["name"] == "b"


async def test_a_full_range_gives_way_to_the_next() -> None:
    async with serving(service_cidr="10.50.0.0/30") as api:
        assert (await service(api, "a"))["spec"]["clusterIP"] == "10.50.0.2"
        assert "failed to allocate a serviceIP: range is full" in await refusal(api, "b")
        await ready_range(api, "more", "10.60.0.0/24")
        assert (await service(api, "b"))["spec"]["clusterIP"].startswith("10.60.0.")


async def test_the_object_of_an_address_in_use_comes_back() -> None:
    async with serving() as api:
        address = (await service(api, "a"))["spec"]["clusterIP"]
        path = f"/apis/networking.k8s.io/v1/ipaddresses/{address}"
        before = (await api.get(path)).json()
        assert (await api.http.delete(path)).status_code == 200
        after = (await api.get(path)).json()
        assert after["spec"] == before["spec"] and after["metadata"]["uid"] != before["metadata"]["uid"]


async def test_a_second_family_is_refused_and_may_only_be_preferred() -> None:
    async with serving() as api:
        both = await refusal(api, "a", ipFamilyPolicy="RequireDualStack")
        assert 'spec.ipFamilyPolicy: Invalid value: "RequireDualStack"' in both
        assert "this cluster is not configured for dual-stack services" in both
        six = await refusal(api, "a", ipFamilies=["IPv6"])
        assert 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster' in six
        made = await service(api, "a", ipFamilyPolicy="PreferDualStack")
        assert (made["spec"]["ipFamilyPolicy"], made["spec"]["ipFamilies"]) == ("PreferDualStack", ["IPv4"])


async def test_the_port_for_health_checks_is_kept_and_given_back() -> None:
    async with serving() as api:
        local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
        port = (await service(api, "a", **local))["spec"]["healthCheckNodePort"]
        sent = {"metadata": {"name": "a"}, "spec": {**local, "ports": [{"port": 80}]}}
        after = (await api.http.put(f"{SERVICES}/a", json=sent)).json()
        assert after["spec"]["healthCheckNodePort"] == port
        after = (await api.patch(f"{SERVICES}/a", {"spec": {"externalTrafficPolicy": "Cluster"}})).json()
        assert "healthCheckNodePort" not in after["spec"]
        await service(api, "b", type="NodePort", ports=[{"port": 80, "nodePort": port}])


async def test_a_service_that_is_no_balancer_any_more_has_no_address_outside() -> None:
    async with serving() as api:
        await service(api, "a", type="LoadBalancer")
        told = {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}
        assert (await api.patch(f"{SERVICES}/a/status", told)).status_code == 200
        after = (await api.patch(f"{SERVICES}/a", {"spec": {"type": "ClusterIP"}})).json()
        assert after["status"]["loadBalancer"] == {}
        assert (await api.patch(f"{SERVICES}/a/status", told)).status_code == 422
