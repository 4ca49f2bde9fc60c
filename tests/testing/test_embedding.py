"""`ApiServer()` and `Cluster()` inside a test: both faces, isolation, users, and what is heard of a failure."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from podling.api.errors import Forbidden, NotFound
from podling.client.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS
from podling.env import SystemEnv
from podling.runtime.fake import Course, Ending
from podling.testing import ApiServer, Cluster

KUBECTL = Path(sys.executable).with_name("kubectl")
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"a": "b"}}


def pod_template(image: str = "web") -> dict:
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": image}]}}


def deployment(replicas: int) -> dict:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": pod_template()}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def kubectl(config: Path, *words: str) -> str:
    env = {**os.environ, "KUBECONFIG": str(config), "HOME": str(config.parent)}
    done = subprocess.run([KUBECTL, *words], capture_output=True, text=True, timeout=30, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_blocking_client_talks_to_the_server_of_a_plain_with(tmp_path: Path):
    with ApiServer() as api:
        config = api.kubeconfig(tmp_path / "kubeconfig")
        assert kubectl(config, "create", "configmap", "mine", "--from-literal=a=b") == "configmap/mine created\n"
        assert api.run(api.client.get(CONFIGMAPS, "default", "mine")).object["data"] == {"a": "b"}


async def test_an_async_with_runs_in_the_tests_own_loop():
    async with ApiServer() as api:
        await api.client.create(CONFIGMAPS, "default", CONFIG_MAP)
        context = ssl.create_default_context(cadata=api.ca.decode())
        async with httpx.AsyncClient(base_url=api.url, verify=context) as anyone:
            assert (await anyone.get("/version")).json()["gitVersion"] == "v1.37.1"
            assert (await anyone.get("/api/v1/namespaces/default/configmaps/mine")).status_code in (401, 403)


async def test_two_servers_beside_each_other_share_nothing():
    async with ApiServer() as one, ApiServer() as other:
        await one.client.create(CONFIGMAPS, "default", CONFIG_MAP)
        with pytest.raises(NotFound):
            await other.client.get(CONFIGMAPS, "default", "mine")
        first, second = [(await api.client.get(NAMESPACES, "", "kube-system")).object for api in (one, other)]
        assert first["metadata"]["uid"] != second["metadata"]["uid"]
        context = ssl.create_default_context(cadata=one.ca.decode())
        async with httpx.AsyncClient(verify=context) as stranger:
            with pytest.raises(httpx.ConnectError):
                await stranger.get(f"{other.url}/version")


def test_a_custom_resource_of_one_server_is_unknown_to_the_next():
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    names = {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.example.com"},
        "spec": spec,
    }

    async def make(api: ApiServer) -> None:
        await api.client.transport.request("POST", definitions, body=body)
        async with asyncio.timeout(5):
            while True:
                try:
                    await api.client.transport.request("GET", "/apis/example.com/v1/boats")
                    return
                except NotFound:
                    await asyncio.sleep(0.01)

    with ApiServer() as api:
        api.run(make(api))
    with ApiServer() as api, pytest.raises(NotFound):
        api.run(api.client.transport.request("GET", "/apis/example.com/v1/boats"))


def test_another_user_has_the_rights_it_was_given(tmp_path: Path):
    with ApiServer() as api:
        config = tmp_path / "config"
        config.write_text(api.kubeconfig_of("jane", ["readers"]))
        who = json.loads(kubectl(config, "auth", "whoami", "-o", "json"))["status"]["userInfo"]
        assert (who["username"], "readers" in who["groups"]) == ("jane", True)
        with pytest.raises(Forbidden, match='User "jane" cannot list resource "secrets"'):
            api.run(api.transport("jane").request("GET", "/api/v1/secrets"))
    with ApiServer(authorization="AlwaysAllow") as api:
        api.run(api.transport("jane").request("GET", "/api/v1/secrets"))


def test_the_kubeconfig_is_for_its_owner_only(tmp_path: Path):
    with ApiServer() as api:
        assert stat.S_IMODE(api.kubeconfig(tmp_path / "kubeconfig").stat().st_mode) == 0o600


def test_nothing_answers_after_the_end():
    with ApiServer() as api:
        url = api.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/version", verify=False)


def test_an_exception_of_the_block_comes_out_and_the_server_ends():
    api = ApiServer()
    with pytest.raises(ValueError, match="mine"), api:
        raise ValueError("mine")
    with pytest.raises(RuntimeError, match="synchronous"):
        api.run(asyncio.sleep(0))


async def test_a_part_that_fails_is_heard_of_at_the_end_of_the_block():
    async def broken() -> None:
        raise OSError("the disk is gone")

    class Broken(ApiServer):
        async def _open(self, stack, tasks):
            await super()._open(stack, tasks)
            tasks.start("broken", broken())

    with pytest.raises(OSError, match="the disk is gone"):
        async with Broken():
            await asyncio.sleep(0)
    with pytest.raises(OSError, match="the disk is gone"), Broken() as api:
        api.run(asyncio.sleep(0))


def test_a_server_that_cannot_start_says_why():
    class Unlucky(ApiServer):
        async def _open(self, stack, tasks):
            raise OSError("no port is free")

    with pytest.raises(OSError, match="no port is free"), Unlucky():
        pass


def test_one_server_cannot_be_entered_twice():
    with ApiServer() as api, pytest.raises(RuntimeError, match="runs already"), api:
        pass


async def rolled_out(cluster: Cluster, replicas: int) -> None:
    async with asyncio.timeout(20):
        while True:
            status = (await cluster.client.get(DEPLOYMENTS, "default", "web")).object.get("status", {})
            if status.get("availableReplicas", 0) == replicas:
                return
            await asyncio.sleep(0.01)


async def test_a_deployment_of_a_cluster_rolls_out_over_its_nodes():
    async with Cluster(nodes=3) as cluster:
        await cluster.client.create(DEPLOYMENTS, "default", deployment(6))
        await rolled_out(cluster, 6)
        pods = (await cluster.client.transport.request("GET", "/api/v1/namespaces/default/pods")).object["items"]
        assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2", "node-3"}
        assert all(pod["status"]["containerStatuses"][0]["ready"] for pod in pods)


def test_a_cluster_of_a_plain_with_collects_garbage(tmp_path: Path):
    with Cluster() as cluster:
        config = cluster.kubeconfig(tmp_path / "kubeconfig")
        kubectl(config, "create", "deployment", "web", "--image=web", "--replicas=2")
        kubectl(config, "rollout", "status", "deployment/web", "--timeout=20s")
        kubectl(config, "delete", "deployment", "web", "--cascade=foreground", "--timeout=20s")
        assert json.loads(kubectl(config, "get", "replicasets,pods", "-o", "json"))["items"] == []


async def test_how_containers_end_is_declared_by_image():
    courses = {"works": Course(endings=(Ending(0.0),)), "breaks": Course(endings=(Ending(0.0, 3),))}
    async with Cluster(courses=courses) as cluster:
        for image in courses:
            spec = {"restartPolicy": "Never", **pod_template(image)["spec"]}
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": image}, "spec": spec}
            await cluster.client.create(PODS, "default", body)
        phases: dict[str, str] = {}
        async with asyncio.timeout(10):
            while not set(phases.values()) >= {"Succeeded", "Failed"}:
                for image in courses:
                    phases[image] = (await cluster.client.get(PODS, "default", image)).object["status"]["phase"]
                await asyncio.sleep(0.01)
        assert phases == {"works": "Succeeded", "breaks": "Failed"}


async def test_time_comes_from_the_env_that_was_given():
    class Later(SystemEnv):
        def now(self) -> float:
            return super().now() + 3600

    async with ApiServer(env=Later()) as api:
        made = await api.client.create(CONFIGMAPS, "default", CONFIG_MAP)
        assert made.object["metadata"]["creationTimestamp"] > (
            await asyncio.to_thread(subprocess.check_output, ["date", "-u", "+%Y-%m-%dT%H:%M:%SZ"], text=True)
        )


def test_importing_the_package_and_its_plugin_costs_nothing():
    code = (
        "import sys, podling.testing, podling.testing.plugin; print('asyncio' in sys.modules, 'uvloop' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import pytest, sys\nbefore = set(sys.modules)\n{code}\n"
         "print([name for name in set(sys.modules) - before if not name.startswith('podling')])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
