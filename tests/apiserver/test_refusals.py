"""What is said to a bad request, whole: code, reason, message, details, causes. The texts are golden.

`GOLDEN=write pytest tests/apiserver/test_refusals.py` writes them anew; the diff is what is reviewed, against
upstream's wording.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import yaml

from podling.env import SystemEnv
from tests.api.kinds import objects
from tests.apiserver.serving import DEFAULT, Api, Json, serving

HERE = Path(__file__).parent / "golden"
CASES = HERE / "refusals.yaml"
GOLDEN = HERE / "refusals.txt"
CLERK = [
    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["get", "create"]},
]


async def test_every_bad_request_is_refused_in_upstreams_words() -> None:
    cases: list[Json] = yaml.safe_load(CASES.read_text())
    assert len(cases) >= 150
    async with serving() as api:
        await prepare(api)
        text = "\n".join([block async for block in blocks(api, cases)])
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert "\nnot refused" not in text
    assert text == GOLDEN.read_text()


async def blocks(api: Api, cases: list[Json]) -> Any:
    async with AsyncExitStack() as stack:
        users: dict[str, httpx.AsyncClient] = {"": api.http}
        for case in cases:
            who = case.get("as", "")
            if who not in users:
                users[who] = await stack.enter_async_context(client(api, who))
            answer = await ask(users[who], case)
            yield "\n".join([f"# {case['title']}", *told(answer)]) + "\n"


def client(api: Api, who: str) -> httpx.AsyncClient:
    if who == "anonymous":
        return api.client()
    if who.startswith("token "):
        return api.client(token=who.partition(" ")[2])
    return api.client(api.authority.client(who, [], SystemEnv().now()))


async def ask(http: httpx.AsyncClient, case: Json) -> httpx.Response:
    method, path = case["ask"].split(" ", 1)
    content = None
    if "text" in case:
        content = case["text"].encode()
    elif "kind" in case:
        content = json.dumps(objects.base(case["kind"], **case.get("set", {}))).encode()
    elif "body" in case:
        content = json.dumps(case["body"]).encode()
    headers = dict(case.get("headers", {}))
    if content is not None:
        headers["content-type"] = f"application/{case.get('type', 'json')}"
    return await http.request(method, path, content=content, headers=headers)


def told(answer: httpx.Response) -> Iterator[str]:
    if answer.status_code < 400:
        yield f"not refused: {answer.text}"
        return
    status = answer.json()
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", answer.status_code), status
    yield f"{status['code']} {status.get('reason', '')}: {steady(status['message'])}"
    details = status.get("details", {})
    if named := [f"{key}={steady(str(value))}" for key, value in details.items() if key != "causes"]:
        yield f"    {' '.join(named)}"
    for cause in details.get("causes", []):
        yield f"    {cause.get('reason')} {cause.get('field', '')}: {steady(cause['message'])}"


def steady(text: str) -> str:
    """Without what differs from run to run."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "UID", text)
    text = re.sub(r"(in record \(|\\+\"resourceVersion\\+\":\\+\")\d+", r"\1REVISION", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z(?!\d)", "TIME", text)


async def prepare(api: Api) -> None:
    """What the requests meet."""
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    subject = {"kind": "User", "name": "clerk", "apiGroup": "rbac.authorization.k8s.io"}
    await api.make(f"{DEFAULT}/serviceaccounts", {"metadata": {"name": "default"}})
    await api.make(f"{DEFAULT}/configmaps", {"metadata": {"name": "taken"}, "data": {"key": "value"}})
    await api.make(f"{DEFAULT}/configmaps", {"metadata": {"name": "fixed"}, "data": {"a": "1"}, "immutable": True})
    await api.make(f"{DEFAULT}/secrets", {"metadata": {"name": "credentials"}, "type": "Opaque"})
    await api.make(f"{rbac}/roles", {"metadata": {"name": "clerks"}, "rules": CLERK})
    for name, role in (("clerks", "clerks"), ("bound", "other")):
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role}
        body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        await api.make(f"{rbac}/rolebindings", body)
    await api.make("/apis/storage.k8s.io/v1/storageclasses", {"metadata": {"name": "fast"}, "provisioner": "a.b/c"})
    await api.make("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": "high"}, "value": 5})
    await api.make("/api/v1/nodes", {"metadata": {"name": "node-1"}})
    for path, kind, name in (
        (f"{DEFAULT}/pods", "Pod", "web"),
        (f"{DEFAULT}/services", "Service", "web"),
        ("/apis/apps/v1/namespaces/default/replicasets", "ReplicaSet", "web"),
        ("/apis/apps/v1/namespaces/default/statefulsets", "StatefulSet", "db"),
        ("/apis/batch/v1/namespaces/default/jobs", "Job", "once"),
    ):
        await api.make(path, objects.base(kind, **{"metadata.name": name}))
    await api.make(f"{DEFAULT}/pods", objects.base("Pod", **{"metadata.name": "bound", "spec.nodeName": "node-1"}))
