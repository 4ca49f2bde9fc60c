"""APIServices: other servers behind this one's address, and all of it in one discovery."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from podling.api.errors import ServiceUnavailable
from podling.env import SystemEnv
from tests.apiserver.extensionserver import BASE, GROUP, VERSION, Extension, extension, published_authentication
from tests.apiserver.serving import Api, serving, take

Json = dict[str, Any]
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = f"{VERSION}.{GROUP}"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class OneNode:
    """A Dialer by which every address is one port of this machine."""

    def __init__(self) -> None:
        self.port = 0

    async def connect(self, node: str, address: str, port: int) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return sock

    async def stream(self, node: str, request: Mapping[str, Any]) -> socket.socket:
        raise OSError("this node has no streams")


def service_of(hook: Extension, **spec: Any) -> Json:
    said = {
        "group": GROUP,
        "version": VERSION,
        "groupPriorityMinimum": 2000,
        "versionPriority": 15,
        "service": {"namespace": "default", "name": "wardle"},
        "caBundle": hook.bundle,
        **spec,
    }
    return {"metadata": {"name": NAME}, "spec": said}


async def condition(api: Api, status: str, reason: str) -> str:
    """Wait for the condition Available; its message."""
    async with asyncio.timeout(10):
        while True:
            said = (await api.get(f"{SERVICES}/{NAME}")).json().get("status", {}).get("conditions", [])
            if said and (said[0]["type"], said[0]["status"], said[0]["reason"]) == ("Available", status, reason):
                return str(said[0]["message"])
            await asyncio.sleep(0.02)


async def backing(api: Api) -> None:
    """The Service and its endpoint."""
    await api.make(
        "/api/v1/namespaces/default/services",
        {"metadata": {"name": "wardle"}, "spec": {"ports": [{"port": 443, "targetPort": 8443}]}},
    )
    slice = {
        "metadata": {"name": "wardle", "labels": {"kubernetes.io/service-name": "wardle"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8443}],
        "endpoints": [{"addresses": ["10.1.2.3"], "conditions": {"ready": True}, "nodeName": "n1"}],
    }
    await api.make("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", slice)


@asynccontextmanager
async def aggregating() -> AsyncIterator[tuple[Api, Extension]]:
    dialer = OneNode()
    async with serving(dialer=dialer) as api, extension(api) as hook:
        dialer.port = hook.port
        await backing(api)
        await api.make(SERVICES, service_of(hook))
        assert await condition(api, "True", "Passed") == "all checks passed"
        hook.asked.clear()
        yield api, hook


async def test_a_request_goes_on_with_the_users_name_and_our_certificate() -> None:
    async with aggregating() as (api, hook):
        path = f"{BASE}/namespaces/default/flunders"
        hook.documents[path] = {"kind": "FlunderList", "items": []}
        client = api.authority.client("jane", ["dev", "ops"], SystemEnv().now())
        admin = await api.http.post(path, json={"kind": "Flunder"}, params={"dryRun": "All"})
        assert admin.json()["kind"] == "FlunderList"
        # Between them stands what the server asks for itself.
        method, target, headers, body, name = next(each for each in hook.asked if each[0] == "POST")
        assert (method, target, json.loads(body), name) == (
            "POST",
            f"{path}?dryRun=All",
            {"kind": "Flunder"},
            "front-proxy-client",
        )
        assert headers["x-remote-user"] == ["kubernetes-admin"]
        assert headers["x-remote-group"] == ["system:masters", "system:authenticated"]
        async with api.client(client) as jane:  # RBAC is asked here, before the other server is
            assert (await jane.get(path)).status_code == 403
        answer = await api.http.get(f"{BASE}/nothing", headers={"x-remote-user": "mallory", "authorization": "Basic x"})
        assert (answer.status_code, answer.json()["message"]) == (404, "none")
        headers = next(each[2] for each in hook.asked if each[1] == f"{BASE}/nothing")
        assert headers["x-remote-user"] == ["kubernetes-admin"] and "authorization" not in headers


async def test_a_watch_flows_through() -> None:
    async with aggregating() as (api, hook), api.watching(f"{BASE}/flunders") as events:
        for number in (1, 2):
            await hook.events.put({"type": "ADDED", "object": {"n": number}})
            assert (await take(events, 1))[0]["object"] == {"n": number}


async def test_an_upgraded_connection_goes_through_both_ways() -> None:
    async with aggregating() as (api, hook):
        reader, writer = await api.raw()
        head = f"GET {BASE}/namespaces/default/flunders/one/talk HTTP/1.1\r\nHost: x\r\n"
        writer.write(f"{head}Connection: Upgrade\r\nUpgrade: echo\r\n\r\n".encode())
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 101") and b"upgrade: echo" in answer.lower()
            for word in (b"one", b"two"):
                writer.write(word)
                assert await reader.readexactly(3) == word.upper()
        writer.close()
        assert any(target.endswith("/talk") for _, target, _, _, _ in hook.asked)


async def test_discovery_of_both_is_one() -> None:
    async with aggregating() as (api, _hook):
        groups = [each["name"] for each in (await api.get("/apis")).json()["groups"]]
        assert GROUP in groups and groups.index(GROUP) > groups.index("apps")
        group = (await api.get(f"/apis/{GROUP}")).json()
        assert group["preferredVersion"] == {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
        answer = await api.get("/apis", AGGREGATED)
        found = next(each for each in answer.json()["items"] if each["metadata"]["name"] == GROUP)
        (version,) = found["versions"]
        (flunders,) = version["resources"]
        assert (version["freshness"], flunders["resource"], flunders["shortNames"]) == ("Current", "flunders", ["fl"])
        assert flunders["responseKind"] == {"group": GROUP, "version": VERSION, "kind": "Flunder"}
        assert [each["subresource"] for each in flunders["subresources"]] == ["status"]
        headers = {"accept": AGGREGATED, "if-none-match": answer.headers["etag"]}
        assert (await api.http.get("/apis", headers=headers)).status_code == 304
        assert (await api.get(BASE)).json()["resources"][0]["name"] == "flunders"


async def test_kubectl_finds_and_reads_what_another_server_answers() -> None:
    async with aggregating() as (api, hook):
        flunder = {"kind": "Flunder", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {"name": "one"}}
        hook.documents[f"{BASE}/namespaces/default/flunders/one"] = flunder
        done = await api.kubectl("get", "fl", "one", "-o", "name")
        assert (done.code, done.out) == (0, f"flunder.{GROUP}/one\n"), done.err
        done = await api.kubectl("get", "apiservices", NAME, "--no-headers")
        assert done.out.split()[:3] == [NAME, "default/wardle", "True"]


async def test_openapi_of_both_is_one_index() -> None:
    dialer = OneNode()
    async with serving(dialer=dialer) as api, extension(api) as hook:
        dialer.port = hook.port
        path = f"apis/{GROUP}/{VERSION}"
        hook.documents["/openapi/v3"] = {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=X"}}}
        hook.documents[f"/openapi/v3/{path}"] = {"openapi": "3.0.0", "info": {"title": "wardle"}}
        await backing(api)
        await api.make(SERVICES, service_of(hook))
        await condition(api, "True", "Passed")
        paths = (await api.get("/openapi/v3")).json()["paths"]
        assert paths[path] == {"serverRelativeURL": f"/openapi/v3/{path}?hash=X"} and "apis/apps/v1" in paths
        assert (await api.get(paths[path]["serverRelativeURL"])).json()["info"] == {"title": "wardle"}


async def test_openapi_of_older_clients_is_one_document_too() -> None:
    dialer = OneNode()
    async with serving(dialer=dialer) as api, extension(api) as hook:
        dialer.port = hook.port
        path, name = f"{BASE}/namespaces/{{namespace}}/flunders", "com.example.wardle.v1alpha1.Flunder"
        local = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
        operation = {"responses": {"401": {"description": "no"}}, "parameters": [{"$ref": "#/parameters/pretty-1"}]}
        hook.documents["/openapi/v2"] = {
            "paths": {path: {"get": operation}, "/healthz": {}},
            "parameters": {"pretty-1": {"name": "pretty", "in": "query", "type": "string"}},
            "definitions": {name: {"type": "object"}, local: {"type": "string"}},
        }
        await backing(api)
        await api.make(SERVICES, service_of(hook))
        await condition(api, "True", "Passed")
        document = (await api.get("/openapi/v2")).json()
        assert document["paths"][path]["get"]["parameters"] == [{"name": "pretty", "in": "query", "type": "string"}]
        assert "/api/v1/pods" in document["paths"]
        assert "/healthz" not in document["paths"]
        assert document["definitions"][name] == {"type": "object"}
        assert document["definitions"][local]["type"] == "object"
        answer = await api.get("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
        assert answer.headers["content-type"].startswith("application/com.github.proto-openapi.spec.v2")
        assert path.encode() in answer.content and b"/api/v1/pods" in answer.content
        assert (await api.http.delete(f"{SERVICES}/{NAME}")).status_code == 200
        assert path not in (await api.get("/openapi/v2")).json()["paths"]


async def test_what_stands_in_the_way_is_said_in_the_condition() -> None:
    dialer = OneNode()
    async with serving(dialer=dialer) as api, extension(api) as hook:
        dialer.port = hook.port
        await api.make(SERVICES, service_of(hook, caBundle=None, insecureSkipTLSVerify=False))
        assert await condition(api, "False", "ServiceNotFound") == 'service/wardle in "default" is not present'
        answer = await api.get(f"{BASE}/flunders")
        assert (answer.status_code, answer.text) == (503, "service unavailable\n")
        with pytest.raises(ServiceUnavailable, match="service unavailable"):
            await api.server.transport().request("GET", f"{BASE}/flunders")
        stale = next(
            each for each in (await api.get("/apis", AGGREGATED)).json()["items"] if each["metadata"]["name"] == GROUP
        )
        assert stale["versions"] == [{"version": VERSION, "freshness": "Stale"}]
        await backing(api)
        message = await condition(api, "False", "FailedDiscoveryCheck")
        assert message.endswith("x509: certificate signed by unknown authority")
        assert (await api.patch(f"{SERVICES}/{NAME}", {"spec": {"caBundle": hook.bundle}})).status_code == 200
        await condition(api, "True", "Passed")
        slice = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/wardle"
        assert (await api.http.delete(slice)).status_code == 200
        await condition(api, "False", "EndpointsNotFound")
        assert (await api.http.delete(f"{SERVICES}/{NAME}")).status_code == 200
        assert (await api.get(f"{BASE}/flunders")).status_code == 404


async def test_an_external_name_leads_out_of_the_cluster() -> None:
    async with serving() as api, extension(api) as hook:
        spec = {"type": "ExternalName", "externalName": "localhost"}
        await api.make("/api/v1/namespaces/default/services", {"metadata": {"name": "wardle"}, "spec": spec})
        place = {"namespace": "default", "name": "wardle", "port": hook.port}
        await api.make(SERVICES, service_of(hook, service=place))
        await condition(api, "True", "Passed")
        assert (await api.get(BASE)).json()["kind"] == "APIResourceList"


async def test_every_group_version_of_our_own_has_an_apiservice_and_so_has_each_of_a_crd() -> None:
    async with serving(profile="current") as api:
        async with asyncio.timeout(5):
            while "v1.apps" not in (found := await services(api)):
                await asyncio.sleep(0.01)
        assert found["v1."]["spec"] == {"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1}
        assert found["v2.autoscaling"]["spec"]["versionPriority"] == 30
        assert found["v1.apps"]["status"]["conditions"][0]["reason"] == "Local"
        assert found["v1.apps"]["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
        assert (await api.http.delete(f"{SERVICES}/v1.apps")).status_code == 200
        names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
        schema = {"openAPIV3Schema": {"type": "object"}}
        versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
        spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        await api.make(crds, {"metadata": {"name": "widgets.example.com"}, "spec": spec})
        async with asyncio.timeout(5):
            while not {"v1.example.com", "v1.apps"} <= set(await services(api)):
                await asyncio.sleep(0.01)
        assert (await api.http.delete(f"{crds}/widgets.example.com")).status_code == 200
        async with asyncio.timeout(5):
            while "v1.example.com" in await services(api):
                await asyncio.sleep(0.01)


async def services(api: Api) -> dict[str, Json]:
    return {each["metadata"]["name"]: each for each in (await api.get(SERVICES)).json()["items"]}


async def test_extension_servers_find_whom_to_trust_and_find_the_same_after_a_restart() -> None:
    from podling.storage.memory import MemoryStorage

    storage = MemoryStorage()
    async with serving(storage) as api:
        first = await published_authentication(api)
        assert first["client-ca-file"] == api.authority.pair.certificate.decode()
        assert first["requestheader-allowed-names"] == '["front-proxy-client"]'
    async with serving(storage) as api:
        async with asyncio.timeout(5):
            while (second := await published_authentication(api))["client-ca-file"] == first["client-ca-file"]:
                await asyncio.sleep(0.01)
        assert second["requestheader-client-ca-file"] == first["requestheader-client-ca-file"]


async def test_an_apiservice_that_cannot_be_is_refused() -> None:
    async with serving() as api:
        spec = {
            "group": GROUP,
            "version": VERSION,
            "groupPriorityMinimum": 0,
            "versionPriority": 15,
            "caBundle": "eA==",
        }
        answer = await api.http.post(SERVICES, json={"metadata": {"name": "x"}, "spec": spec})
        assert answer.status_code == 422
        message = answer.json()["message"]
        assert f'must be `spec.version+"."+spec.group`: "{NAME}"' in message
        assert "spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000" in message
        assert 'spec.caBundle: Invalid value: "1 bytes": local APIServices may not have a caBundle' in message
