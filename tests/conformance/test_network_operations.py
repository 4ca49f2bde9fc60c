"""sig-network: Services, EndpointSlices, Ingresses and addresses as objects; no packet is needed to see them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from tests.conformance.kube import Json, Kube, eventually, names
from tests.conformance.operations import discovered, refused, walk


def web(name: str, **spec: object) -> Json:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports, **spec}}


@pytest.mark.conformance("[sig-network] Ingress API should support creating Ingress API operations [Conformance]")
def test_ingresses(kube: Kube, namespace: str) -> None:
    def ingress(name: str) -> Json:
        backend = {"service": {"name": "default-backend", "port": {"number": 80}}}
        return {"metadata": {"name": name}, "spec": {"defaultBackend": backend}}

    def address(body: Json) -> None:
        body["status"]["loadBalancer"] = {"ingress": [{"ip": "169.1.1.1"}]}

    walk(kube, kube.at("networking.k8s.io/v1/ingresses", namespace), ingress, address)


@pytest.mark.conformance(
    "[sig-network] IngressClass API should support creating IngressClass API operations [Conformance]"
)
def test_ingress_classes(kube: Kube) -> None:
    classes = kube.at("networking.k8s.io/v1/ingressclasses")
    walk(kube, classes, lambda name: {"metadata": {"name": name}, "spec": {"controller": "example.com/controller"}})


@pytest.mark.conformance(
    "[sig-network] EndpointSlice should support creating EndpointSlice API operations [Conformance]"
)
def test_endpoint_slices(kube: Kube, namespace: str) -> None:
    def endpoint_slice(name: str) -> Json:
        return {"metadata": {"name": name}, "addressType": "IPv4", "endpoints": [{"addresses": ["1.2.3.4"]}]}

    walk(kube, kube.at("discovery.k8s.io/v1/endpointslices", namespace), endpoint_slice)


@pytest.mark.conformance(
    "[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations [Conformance]"
)
def test_ip_addresses(kube: Kube) -> None:
    addresses = kube.at("networking.k8s.io/v1/ipaddresses")
    assert discovered(kube, addresses)["namespaced"] is False
    parent = {"group": "", "resource": "services", "namespace": "default", "name": "kubernetes"}
    made = addresses.create({"metadata": {"name": "192.168.255.17"}, "spec": {"parentRef": parent}})
    assert made["metadata"]["uid"]
    assert "192.168.255.17" in names(addresses.items())
    with addresses.watch(resourceVersion=made["metadata"]["resourceVersion"]) as watch:
        addresses.patch("192.168.255.17", {"metadata": {"annotations": {"patched": "yes"}}})
        watch.until("MODIFIED", lambda body: body["metadata"].get("annotations") == {"patched": "yes"})
        addresses.change("192.168.255.17", lambda body: body["metadata"]["annotations"].update(updated="yes"))
        watch.until("MODIFIED", lambda body: body["metadata"]["annotations"].get("updated") == "yes")
        addresses.delete("192.168.255.17")
        watch.until("DELETED", lambda body: body["metadata"]["name"] == "192.168.255.17")
    assert refused(lambda: addresses.get("192.168.255.17")).code == 404


@pytest.mark.conformance(
    "[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations [Conformance]"
)
def test_service_cidrs(kube: Kube) -> None:
    ranges = kube.at("networking.k8s.io/v1/servicecidrs")
    assert discovered(kube, ranges)["namespaced"] is False
    made = ranges.create({"metadata": {"name": "second"}, "spec": {"cidrs": ["192.168.240.0/24"]}})
    assert made["metadata"]["uid"]
    patched = ranges.patch("second", {"metadata": {"annotations": {"patched": "yes"}}})
    assert patched["metadata"]["annotations"]["patched"] == "yes"
    assert "second" in names(ranges.items())
    ranges.delete("second")
    ranges.gone("second")


@pytest.mark.conformance("[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]")
def test_endpoints(kube: Kube, namespace: str) -> None:
    endpoints = kube.at("v1/endpoints", namespace)
    port = {"name": "http", "port": 80, "protocol": "TCP"}
    with endpoints.watch() as watch:
        made = endpoints.create(
            {
                "metadata": {"name": "own", "labels": {"x": "y"}},
                "subsets": [{"addresses": [{"ip": "10.0.0.24"}], "ports": [port]}],
            }
        )
        assert watch.until("ADDED")["subsets"] == made["subsets"]
        assert names(endpoints.everywhere().items(labelSelector="x=y")) == ["own"]
        endpoints.change("own", lambda body: body["metadata"]["labels"].update(updated="yes"))
        watch.until("MODIFIED", lambda body: body["metadata"]["labels"].get("updated") == "yes")
        subsets = [{"addresses": [{"ip": "10.0.0.25"}], "ports": [port | {"port": 8080}]}]
        patched = endpoints.patch("own", {"metadata": {"labels": {"x": "z"}}, "subsets": subsets})
        assert patched["subsets"][0]["addresses"][0]["ip"] == "10.0.0.25"
        watch.until("MODIFIED", lambda body: body["metadata"]["labels"]["x"] == "z")
        endpoints.delete_all(labelSelector="x=z")
        watch.until("DELETED", lambda body: body["metadata"]["name"] == "own")
    assert endpoints.items() == []


@pytest.mark.conformance("[sig-network] Services should complete a service status lifecycle [Conformance]")
def test_the_status_of_a_service_is_written_by_itself(kube: Kube, namespace: str) -> None:
    services = kube.at("v1/services", namespace)
    with services.watch() as watch:
        services.create(web("lb", type="LoadBalancer", loadBalancerClass="example.com/none"))
        watch.until("ADDED")
        assert services.get("lb", "status")["metadata"]["name"] == "lb"
        ingress = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": ingress}
        assert (
            services.patch("lb", patch, subresource="status")["status"]["loadBalancer"]["ingress"][0]["ip"]
            == "203.0.113.1"
        )
        watch.until("MODIFIED", lambda body: "patchedstatus" in body["metadata"].get("annotations", {}))

        def change(body: Json) -> None:
            condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
            body["status"]["conditions"] = [condition | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]

        updated = services.change("lb", change, "status")
        assert updated["status"]["conditions"][0]["type"] == "StatusUpdate"
        watch.until("MODIFIED", lambda body: body["status"].get("conditions"))
        services.patch("lb", {"metadata": {"annotations": {"svc": "patched"}}})
        watch.until("MODIFIED", lambda body: body["metadata"]["annotations"].get("svc") == "patched")
        services.delete("lb")
        watch.until("DELETED")


@pytest.mark.conformance("[sig-network] Services should delete a collection of services [Conformance]")
def test_services_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    services = kube.at("v1/services", namespace)
    for number in range(3):
        services.create(web(f"s{number}") | {"metadata": {"name": f"s{number}", "labels": {"many": "yes"}}})
    services.create(web("other"))
    services.delete_all(labelSelector="many=yes")
    assert names(services.items()) == ["other"]


@pytest.mark.conformance("[sig-network] Services should find a service from listing all namespaces [Conformance]")
def test_a_service_is_found_among_those_of_all_namespaces(kube: Kube, namespace: str) -> None:
    kube.at("v1/services", namespace).create(web("findable"))
    everywhere = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in kube.at("v1/services").items()]
    assert (namespace, "findable") in everywhere and ("default", "kubernetes") in everywhere


@pytest.mark.conformance("[sig-network] API Server should provide secure master service [Conformance]")
def test_the_api_is_a_service_over_https(kube: Kube) -> None:
    service = kube.at("v1/services", "default").get("kubernetes")
    assert service["spec"]["ports"] == [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}]
    assert ip_address(service["spec"]["clusterIP"]) in ip_network("10.96.0.0/12")


@pytest.mark.conformance(
    "[sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no"
    " pods [Conformance]"
)
def test_a_service_without_pods_has_an_empty_endpoint_slice(kube: Kube, namespace: str) -> None:
    services = kube.at("v1/services", namespace)
    slices, endpoints = kube.at("discovery.k8s.io/v1/endpointslices", namespace), kube.at("v1/endpoints", namespace)
    services.create(web("empty"))
    found = slices.settled(lambda items: items, labelSelector="kubernetes.io/service-name=empty")
    assert len(found) == 1 and not found[0].get("endpoints")
    assert found[0]["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert found[0]["metadata"]["ownerReferences"][0] | {"uid": ""} == {
        "apiVersion": "v1",
        "kind": "Service",
        "name": "empty",
        "uid": "",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    eventually(lambda: names(endpoints.items()) == ["empty"])
    services.delete("empty")
    slices.settled(lambda items: not items, labelSelector="kubernetes.io/service-name=empty")
    endpoints.gone("empty")


@pytest.mark.conformance(
    "[sig-network] EndpointsController should create and delete Endpoints for a Service with a selector that matches"
    " no pods [Conformance]"
)
def test_a_service_without_pods_has_empty_endpoints(kube: Kube, namespace: str) -> None:
    services, endpoints = kube.at("v1/services", namespace), kube.at("v1/endpoints", namespace)
    services.create(web("empty"))
    eventually(lambda: names(endpoints.items()) == ["empty"])
    assert not endpoints.get("empty").get("subsets")
    services.delete("empty")
    endpoints.gone("empty")


@pytest.mark.conformance(
    "[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete"
    " [Conformance]"
)
def test_endpoints_made_by_hand_are_mirrored(kube: Kube, namespace: str) -> None:
    kube.at("v1/services", namespace).create(
        {"metadata": {"name": "own"}, "spec": {"ports": [{"name": "x", "port": 80}]}}
    )
    endpoints = kube.at("v1/endpoints", namespace)
    slices = kube.at("discovery.k8s.io/v1/endpointslices", namespace)
    selector = "kubernetes.io/service-name=own"

    def addresses(items: list[Json]) -> list[str]:
        return [address for each in items for endpoint in each["endpoints"] for address in endpoint["addresses"]]

    subset = {"addresses": [{"ip": "10.1.2.3"}], "ports": [{"name": "x", "port": 80}]}
    endpoints.create({"metadata": {"name": "own"}, "subsets": [subset]})
    found = slices.settled(lambda items: addresses(items) == ["10.1.2.3"], labelSelector=selector)[0]
    assert found["addressType"] == "IPv4" and found["ports"] == [{"name": "x", "port": 80, "protocol": "TCP"}]
    assert (
        found["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]
        == "endpointslicemirroring-controller.k8s.io"
    )
    endpoints.change("own", lambda body: body["subsets"][0].update(addresses=[{"ip": "10.2.3.4"}]))
    slices.settled(lambda items: addresses(items) == ["10.2.3.4"], labelSelector=selector)
    endpoints.delete("own")
    slices.settled(lambda items: not items, labelSelector=selector)


def serving_pod(name: str, app: str, *ports: tuple[str, int]) -> Json:
    declared = [{"name": port, "containerPort": number} for port, number in ports]
    spec = {"containers": [{"name": "c", "image": "serves", "ports": declared}]}
    return {"metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


@pytest.mark.conformance(
    "[sig-network] EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service [Conformance]"
)
def test_pods_of_a_service_become_its_endpoints_and_slices(kube: Kube, namespace: str) -> None:
    pods, services = kube.at("v1/pods", namespace), kube.at("v1/services", namespace)
    pods.create(serving_pod("one", "web", ("example-name", 3000)))
    pods.create(serving_pod("two", "web", ("other-name", 3001)))
    services.create(web("web", ports=[{"name": "named", "port": 9090, "targetPort": "example-name"}]))
    ready = pods.settled(lambda items: all(each["status"].get("podIP") for each in items))
    ip = {each["metadata"]["name"]: each["status"]["podIP"] for each in ready}

    slices = kube.at("discovery.k8s.io/v1/endpointslices", namespace)

    def targets(items: list[Json]) -> set[tuple[str, int]]:
        return {
            (address, port["port"])
            for each in items
            for port in each.get("ports") or []
            for endpoint in each.get("endpoints") or []
            if endpoint["conditions"]["ready"]
            for address in endpoint["addresses"]
        }

    found = slices.settled(lambda items: targets(items) == {(ip["one"], 3000)})
    endpoint = next(e for each in found for e in each["endpoints"] if e["addresses"] == [ip["one"]])
    assert endpoint["targetRef"]["kind"] == "Pod" and endpoint["targetRef"]["name"] == "one"
    assert endpoint["nodeName"] == pods.get("one")["spec"]["nodeName"]
    listed = kube.at("v1/endpoints", namespace).until("web", lambda body: body.get("subsets"))
    assert [a["ip"] for subset in listed["subsets"] if subset.get("ports") for a in subset["addresses"]] == [ip["one"]]


@pytest.mark.conformance(
    "[sig-network] EndpointsController should create Endpoints for Pods matching a Service [Conformance]"
)
def test_endpoints_follow_the_ready_pods_of_a_service(kube: Kube, namespace: str) -> None:
    pods, endpoints = kube.at("v1/pods", namespace), kube.at("v1/endpoints", namespace)
    kube.at("v1/services", namespace).create(web("web", ports=[{"port": 80, "targetPort": 8080}]))

    def ips(body: Json) -> set[str]:
        return {address["ip"] for subset in body.get("subsets") or [] for address in subset.get("addresses") or []}

    pods.create(serving_pod("one", "web", ("http", 8080)))
    pods.create(serving_pod("two", "web", ("http", 8080)))
    ready = pods.settled(lambda items: all(each["status"].get("podIP") for each in items))
    ip = {each["metadata"]["name"]: each["status"]["podIP"] for each in ready}
    found = endpoints.until("web", lambda body: ips(body) == set(ip.values()))
    assert [port["port"] for port in found["subsets"][0]["ports"]] == [8080]
    pods.delete("one", gracePeriodSeconds=0)
    endpoints.until("web", lambda body: ips(body) == {ip["two"]})
