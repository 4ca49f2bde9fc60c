"""The real kubectl: the walkthrough's manifests, its everyday verbs, and what it says when something is wrong.

`golden/mistakes.yaml` holds wrong manifests, `golden/errors.txt` the exact answers: its diff is reviewed as text.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.apiserver.serving import Api, serving

SVC = Path(__file__).parents[2] / "examples" / "01-go-demo-2" / "svc"
MISTAKES = Path(__file__).with_name("golden") / "mistakes.yaml"
ERRORS = MISTAKES.with_name("errors.txt")
FILES = ("go-demo-2-db-rs", "go-demo-2-db-svc", "go-demo-2-api-rs", "go-demo-2-api-svc")


async def ok(api: Api, *words: str, stdin: str = "") -> str:
    done = await api.kubectl(*words, stdin=stdin)
    assert done.code == 0, done.err
    return done.out


async def test_the_walkthroughs_manifests_are_created_shown_and_deleted() -> None:
    async with serving() as api:
        created = [await ok(api, "create", "-f", str(SVC / f"{name}.yml")) for name in FILES]
        assert created == [
            "replicaset.apps/go-demo-2-db created\n",
            "service/go-demo-2-db created\n",
            "replicaset.apps/go-demo-2-api created\n",
            "service/go-demo-2-api created\n",
        ]
        shown = await ok(api, "get", "all")
        lines = [line.split() for line in shown.splitlines() if line]
        assert ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"] in lines
        assert ["NAME", "DESIRED", "CURRENT", "READY", "AGE"] in lines
        assert [line[0] for line in lines if "/" in line[0]] == [
            "service/go-demo-2-api",
            "service/go-demo-2-db",
            "service/kubernetes",
            "replicaset.apps/go-demo-2-api",
            "replicaset.apps/go-demo-2-db",
        ]
        described = await ok(api, "describe", "rs", "go-demo-2-api")
        assert "Selector:     service=go-demo-2,type=api\n" in described and "3 desired" in described
        assert "NodePort" in await ok(api, "describe", "svc", "go-demo-2-api")
        port = await ok(api, "get", "svc", "go-demo-2-api", "-o", "jsonpath={.spec.ports[0].nodePort}")
        assert 30000 <= int(port) <= 32767
        for name in FILES:
            assert "deleted" in await ok(api, "delete", "-f", str(SVC / f"{name}.yml"))
        assert (await ok(api, "get", "rs", "-o", "name")) == ""


async def test_all_four_in_one_file() -> None:
    async with serving() as api:
        whole = "\n---\n".join((SVC / f"{name}.yml").read_text() for name in FILES)
        assert (await ok(api, "create", "-f", "-", stdin=whole)).count("created") == 4
        assert (await ok(api, "delete", "-f", "-", stdin=whole)).count("deleted") == 4


async def test_apply_creates_leaves_and_changes() -> None:
    async with serving() as api:
        manifest = (SVC / "go-demo-2-api-svc.yml").read_text()
        assert await ok(api, "apply", "-f", "-", stdin=manifest) == "service/go-demo-2-api created\n"
        assert await ok(api, "apply", "-f", "-", stdin=manifest) == "service/go-demo-2-api unchanged\n"
        changed = manifest.replace("port: 8080", "port: 8081")
        assert await ok(api, "apply", "-f", "-", stdin=changed) == "service/go-demo-2-api configured\n"
        ports = json.loads(await ok(api, "get", "svc", "go-demo-2-api", "-o", "json"))["spec"]["ports"]
        assert [port["port"] for port in ports] == [8081]


async def test_the_verbs_that_send_protobuf() -> None:
    async with serving() as api:
        assert await ok(api, "create", "configmap", "a", "--from-literal=x=y") == "configmap/a created\n"
        assert await ok(api, "create", "namespace", "n") == "namespace/n created\n"
        assert await ok(api, "create", "deployment", "web", "--image=nginx") == "deployment.apps/web created\n"
        assert await ok(api, "create", "serviceaccount", "bob") == "serviceaccount/bob created\n"
        assert (await ok(api, "create", "token", "bob")).count(".") == 2
        assert json.loads(await ok(api, "get", "cm", "a", "-o", "json"))["data"] == {"x": "y"}


async def test_label_annotate_scale_patch_replace_and_edit_nothing() -> None:
    async with serving() as api:
        await ok(api, "create", "deployment", "web", "--image=nginx")
        await ok(api, "scale", "deployment", "web", "--replicas=4")
        await ok(api, "label", "deployment", "web", "a=b")
        await ok(api, "annotate", "deployment", "web", "c=d")
        await ok(api, "set", "image", "deployment/web", "nginx=nginx:2")
        found = json.loads(await ok(api, "get", "deployment", "web", "-o", "json"))
        assert found["spec"]["replicas"] == 4 and found["metadata"]["labels"]["a"] == "b"
        assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"
        assert await ok(api, "replace", "-f", "-", stdin=json.dumps(found)) == "deployment.apps/web replaced\n"
        assert "web    0/4" in await ok(api, "get", "deployments")


async def test_who_am_i_and_what_is_there() -> None:
    async with serving() as api:
        assert "kubernetes-admin" in await ok(api, "auth", "whoami")
        assert await ok(api, "auth", "can-i", "create", "pods") == "yes\n"
        resources = await ok(api, "api-resources", "-o", "name")
        assert {"pods", "replicasets.apps", "ingresses.networking.k8s.io"} <= set(resources.split())
        explained = await ok(api, "explain", "pod.spec.containers.readinessProbe.httpGet")
        assert "FIELD: httpGet <HTTPGetAction>" in explained and "path\t<string>" in explained


async def test_what_kubectl_says_when_something_is_wrong() -> None:
    async with serving() as api:
        await api.account()
        await ok(api, "create", "-f", str(SVC / "go-demo-2-db-rs.yml"))
        taken = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken"}, "spec": taken}
        await ok(api, "create", "-f", "-", stdin=json.dumps(service))
        before = set(api.server.backend.cache._objects)
        said = []
        for mistake in MISTAKES.read_text().split("===\n"):
            done = await api.kubectl("create", "-f", "-", stdin=mistake)
            assert done.code == 1, done.out
            said.append(f"{mistake.splitlines()[0]}\n{done.err.strip()}\n")
        assert set(api.server.backend.cache._objects) == before
    assert "\n".join(said) == ERRORS.read_text()
