"""POST of a DeploymentRollback: the template of an older ReplicaSet comes back.

How clients of extensions/v1beta1 and apps/v1beta1 undid a roll-out; later ones patch the Deployment themselves. They
wait for an event of one of three reasons, which is why one is written.
"""

from __future__ import annotations

from typing import Any

import orjson

from podling.api.errors import BadRequest
from podling.api.objects import Object
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.body import read
from podling.apiserver.endpoints.change import Change, change
from podling.apiserver.endpoints.create import create_object
from podling.apiserver.endpoints.get import find
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.message import Request, Response
from podling.env import rfc3339

Json = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
SAME, DONE, LOST = (
    "DeploymentRollbackTemplateUnchanged",
    "DeploymentRollback",
    "DeploymentRollbackRevisionNotFound",
)


async def roll_back(backend: Backend, request: Request) -> Response:
    """Raises NotFound, BadRequest, Forbidden."""
    target = request.target
    assert target is not None
    served = backend.resources.get("apps", "v1", "deployments")
    type_ = backend.schemas.kind(target.group, target.version, "DeploymentRollback")
    body = read(backend, request, type_, f"{target.group}/{target.version}", "DeploymentRollback")
    if body.get("name") != target.name:
        raise BadRequest("name in the URL does not match the name of the rollback request")
    deployment = find(backend, served, target)
    wanted = (body.get("rollbackTo") or {}).get("revision", 0)
    revisions = _revisions(backend, deployment)
    number = wanted or (sorted(revisions)[-2] if len(revisions) > 1 else 0)
    if number not in revisions:
        text = "Unable to find the revision to rollback to." if wanted else "Unable to find last revision."
        await _tell(backend, request, deployment, "Warning", LOST, text)
        return _answer(target.name)
    template = _template(revisions[number])

    def make(obj: Json) -> Json:
        annotations = {**(obj["metadata"].get("annotations") or {}), **(body.get("updatedAnnotations") or {})}
        metadata = obj["metadata"] | ({"annotations": annotations} if annotations else {})
        return {**obj, "metadata": metadata, "spec": {**obj["spec"], "template": template}}

    if orjson.loads(deployment.raw)["spec"]["template"] == template:
        text = f'The rollback revision contains the same template as current deployment "{target.name}"'
        await _tell(backend, request, deployment, "Warning", SAME, text)
        return _answer(target.name)
    await change(backend, request, Change(served, target.namespace, target.name, make, dry=dry_run(request)))
    text = f'Rolled back deployment "{target.name}" to revision {number}'
    await _tell(backend, request, deployment, "Normal", DONE, text)
    return _answer(target.name)


def _revisions(backend: Backend, deployment: Object) -> dict[int, Object]:
    """The ReplicaSets of a Deployment by their number in its history."""
    sets = backend.resources.get("apps", "v1", "replicasets")
    found: dict[int, Object] = {}
    for each in backend.cache.list(sets.prefix(deployment.head.namespace)):
        text = each.view.metadata.annotations.get(REVISION, "")
        if each.head.owners[:1] == (deployment.head.uid,) and text.isdecimal():
            found[int(text)] = each
    return found


def _template(owner: Object) -> Json:
    template: Json = orjson.loads(owner.raw)["spec"]["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    labels.pop(HASH, None)
    return template


async def _tell(backend: Backend, request: Request, about: Object, kind: str, reason: str, message: str) -> None:
    if dry_run(request):
        return
    events = backend.resources.get("", "v1", "events")
    head, now = about.head, rfc3339(backend.env.now())
    event: Json = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": f"{head.name}.{backend.env.suffix()}{backend.env.suffix()}", "namespace": head.namespace},
        "involvedObject": {
            "kind": "Deployment",
            "apiVersion": "apps/v1",
            "namespace": head.namespace,
            "name": head.name,
            "uid": head.uid,
        },
        "reason": reason,
        "message": message,
        "type": kind,
        "source": {"component": "deployment-controller"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    await create_object(backend, request, events, events.entry.to_hub(event), dry=False)


def _answer(name: str) -> Response:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "message": f'rollback request for deployment "{name}" succeeded',
        "code": 201,
    }
    return Response(201, orjson.dumps(status))
