"""A world of plain objects in which a controller's plans come true at once: the same patches, no server.

For tables and properties of decisions, thousands of times a second. What the API server adds (uids, names, deletion
with finalizers, grace) is here in the smallest form that decisions can see; the integration tests run the real one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from podling.api.errors import ApiError, NotFound
from podling.api.objects import Object
from podling.api.patch.merge import merge_patch
from podling.api.patch.strategic import strategic_merge_patch
from podling.api.schema import load
from podling.client.resources import (
    CERTIFICATESIGNINGREQUESTS,
    CLUSTERTRUSTBUNDLES,
    CONFIGMAPS,
    CONTROLLERREVISIONS,
    CRONJOBS,
    CSIDRIVERS,
    DAEMONSETS,
    DEPLOYMENTS,
    DEVICETAINTRULES,
    ENDPOINTS,
    ENDPOINTSLICES,
    HORIZONTALPODAUTOSCALERS,
    JOBS,
    LEASES,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PERSISTENTVOLUMES,
    PODCERTIFICATEREQUESTS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    RESOURCECLAIMS,
    RESOURCECLAIMTEMPLATES,
    RESOURCEQUOTAS,
    RESOURCESLICES,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
    STATEFULSETS,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
    VOLUMEATTRIBUTESCLASSES,
)
from podling.client.transport import Resource
from podling.reconcile.action import (
    Absent,
    Action,
    Again,
    Ask,
    Create,
    Delete,
    DeleteAll,
    Empty,
    Patch,
    Present,
    Remember,
    Tell,
    Update,
)
from podling.reconcile.controller import Controller
from podling.reconcile.view import Served, Settings, Snapshot

Json = dict[str, Any]
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
KINDS = {
    CERTIFICATESIGNINGREQUESTS: "CertificateSigningRequest",
    CLUSTERTRUSTBUNDLES: "ClusterTrustBundle",
    CSIDRIVERS: "CSIDriver",
    STORAGECLASSES: "StorageClass",
    VOLUMEATTACHMENTS: "VolumeAttachment",
    PODCERTIFICATEREQUESTS: "PodCertificateRequest",
    VOLUMEATTRIBUTESCLASSES: "VolumeAttributesClass",
    CONFIGMAPS: "ConfigMap",
    ENDPOINTS: "Endpoints",
    NAMESPACES: "Namespace",
    NODES: "Node",
    PODS: "Pod",
    SECRETS: "Secret",
    SERVICEACCOUNTS: "ServiceAccount",
    SERVICES: "Service",
    REPLICASETS: "ReplicaSet",
    LEASES: "Lease",
    ENDPOINTSLICES: "EndpointSlice",
    CONTROLLERREVISIONS: "ControllerRevision",
    CRONJOBS: "CronJob",
    DAEMONSETS: "DaemonSet",
    DEPLOYMENTS: "Deployment",
    JOBS: "Job",
    PERSISTENTVOLUMECLAIMS: "PersistentVolumeClaim",
    PERSISTENTVOLUMES: "PersistentVolume",
    REPLICATIONCONTROLLERS: "ReplicationController",
    RESOURCECLAIMS: "ResourceClaim",
    RESOURCECLAIMTEMPLATES: "ResourceClaimTemplate",
    RESOURCEQUOTAS: "ResourceQuota",
    DEVICETAINTRULES: "DeviceTaintRule",
    RESOURCESLICES: "ResourceSlice",
    STATEFULSETS: "StatefulSet",
    PODDISRUPTIONBUDGETS: "PodDisruptionBudget",
    HORIZONTALPODAUTOSCALERS: "HorizontalPodAutoscaler",
}
CLUSTER_SCOPED = (
    CERTIFICATESIGNINGREQUESTS,
    CLUSTERTRUSTBUNDLES,
    CSIDRIVERS,
    DEVICETAINTRULES,
    NAMESPACES,
    NODES,
    PERSISTENTVOLUMES,
    RESOURCESLICES,
    STORAGECLASSES,
    VOLUMEATTACHMENTS,
    VOLUMEATTRIBUTESCLASSES,
)
SERVED = tuple(Served(resource, kind, resource not in CLUSTER_SCOPED, VERBS) for resource, kind in KINDS.items())
NOW = 1_700_000_000.0
LONG_AGO = "2020-01-01T00:00:00Z"


class Unsettled(AssertionError):
    """The controller did not come to rest."""


class World:
    """Objects by resource, namespace and name. `told` collects events, `done` every action that changed something."""

    def __init__(self, *, now: float = NOW, settings: Settings | None = None) -> None:
        self.now, self.settings = now, settings or Settings(root_ca="PEM")
        self.objects: dict[tuple[Resource, str, str], Json] = {}
        self.told: list[tuple[str, str]] = []
        self.done: list[Action] = []
        self.again: list[float] = []
        self.refuse: Callable[[Action], ApiError | None] = lambda action: None
        self.remembered: dict[str, Any] = {}
        """By uid of the object."""
        self.answers: Callable[[Ask], Json | ApiError] = _nobody_answers
        self._count = 0
        self._schemas = load()

    def add(self, resource: Resource, body: Json, namespace: str = "default") -> Json:
        """As the API server would store it."""
        self._count += 1
        made = copy.deepcopy(body)
        meta = made.setdefault("metadata", {})
        if meta.get("generateName") and not meta.get("name"):
            meta["name"] = f"{meta['generateName']}{self._count:05d}"
        meta.setdefault("uid", f"uid-{self._count}")
        meta.setdefault("creationTimestamp", LONG_AGO)
        if resource not in CLUSTER_SCOPED:
            meta["namespace"] = namespace
        made.setdefault("kind", KINDS[resource])
        made.setdefault("apiVersion", f"{resource.group}/{resource.version}".lstrip("/"))
        meta["resourceVersion"] = str(self._count)
        self.objects[resource, meta.get("namespace", ""), meta["name"]] = made
        return made

    def all(self, resource: Resource) -> list[Json]:
        return [value for (kind, _, _), value in self.objects.items() if kind == resource]

    def get(self, resource: Resource, name: str, namespace: str = "default") -> Json:
        return self.objects[resource, "" if resource in CLUSTER_SCOPED else namespace, name]

    def view(self, failure: ApiError | None = None) -> Snapshot:
        pairs = [(resource, value) for (resource, _, _), value in self.objects.items()]
        return Snapshot(pairs, now=self.now, settings=self.settings, failure=failure, served=SERVED)

    def run(self, controller: Controller, resources: Iterable[Resource] = (), *, rounds: int = 50) -> int:
        """Reconcile every object of the controller until nothing changes; the rounds it took. Raises Unsettled."""
        own = tuple(resources) or ((controller.resource,) if controller.resource is not None else tuple(KINDS))
        for turn in range(rounds):
            before = len(self.done)
            for resource in own:
                for body in self.all(resource):
                    self.reconcile(controller, resource, body["metadata"])
            if len(self.done) == before:
                return turn
        raise Unsettled(f"{controller.name} still acts after {rounds} rounds: {self.done[-5:]}")

    def reconcile(
        self, controller: Controller, resource: Resource, meta: Json, failure: ApiError | None = None
    ) -> None:
        """One run for one object; ends at the first action that fails."""
        view = self.view(failure)
        found = view.of(resource).get(meta.get("namespace", ""), meta["name"])
        if found is None:
            return
        view.remembered = self.remembered.get(found.head.uid)
        self.carry_out(controller.reconcile(found, view), found.head.uid)

    def carry_out(self, plan: Iterable[Iterable[Action]], uid: str = "") -> None:
        steps = iter(plan)
        answers: list[Json | ApiError] = []
        while True:
            group = _step(steps, answers)
            if group is None:
                return
            answers = [self.answers(action) for action in group if isinstance(action, Ask)]
            for action in group:
                if isinstance(action, Remember):
                    self.remembered[uid] = action.value
            results = [self._try(action) for action in group if not isinstance(action, Ask | Remember)]
            if not all(results):
                return

    def _try(self, action: Action) -> bool:
        error = self.refuse(action)
        if error is not None:
            if isinstance(action, Create | Delete) and action.failed is not None:
                self.told.append((action.failed.reason, action.failed.message.replace("{error}", str(error))))
            return False
        return self._do(action)

    def _do(self, action: Action) -> bool:
        match action:
            case Tell():
                self.told.append((action.reason, action.message))
            case Again(after):
                self.again.append(after)
            case Absent(resource, namespace, name, uid):
                known = self.objects.get((resource, namespace, name))
                return known is None or (bool(uid) and known["metadata"]["uid"] != uid)
            case Present(resource, namespace, name, uid):
                known = self.objects.get((resource, namespace, name))
                return known is not None and known["metadata"]["uid"] == uid
            case Empty(resource, namespace):
                return all(where != namespace or kind != resource for kind, where, _ in self.objects)
            case _:
                self._write(action)
        return True

    def _write(self, action: Action) -> None:
        before = copy.deepcopy(self.objects)
        match action:
            case Create(resource, namespace, body):
                made = self.add(resource, body, namespace)
                if action.done is not None:
                    self.told.append(
                        (action.done.reason, action.done.message.replace("{name}", made["metadata"]["name"]))
                    )
            case Update(resource, namespace, name, body):
                self._replace(resource, namespace, name, body)
            case Patch(resource, namespace, name, body, kind):
                old = self.objects[resource, namespace, name]
                type_ = self._schemas.kind(resource.group, resource.version, KINDS[resource])
                assert type_ is not None
                new = strategic_merge_patch(old, body, type_) if kind == "strategic-merge" else merge_patch(old, body)
                self._replace(resource, namespace, name, new)
            case Delete(resource, namespace, name, uid):
                self._delete(resource, namespace, name, uid)
                if action.done is not None:
                    self.told.append((action.done.reason, action.done.message.replace("{name}", name)))
            case DeleteAll(resource, namespace):
                for kind, where, name in list(self.objects):
                    if (kind, where) == (resource, namespace):
                        self._delete(kind, where, name, self.objects[kind, where, name]["metadata"]["uid"])
        if _without_revisions(before) != _without_revisions(self.objects):
            self.done.append(action)

    def _replace(self, resource: Resource, namespace: str, name: str, body: Json) -> None:
        self._count += 1
        new = copy.deepcopy(body)
        new["metadata"]["resourceVersion"] = str(self._count)
        finalizers = [*(new["metadata"].get("finalizers") or ()), *(new.get("spec", {}).get("finalizers") or ())]
        if new["metadata"].get("deletionTimestamp") and not finalizers:
            del self.objects[resource, namespace, name]
            return
        self.objects[resource, namespace, name] = new

    def _delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        known = self.objects.get((resource, namespace, name))
        if known is None or known["metadata"]["uid"] != uid:
            return
        if known["metadata"].get("finalizers"):
            known["metadata"]["deletionTimestamp"] = LONG_AGO
        else:
            del self.objects[resource, namespace, name]


def _step(steps: Iterator[Iterable[Action]], answers: list[Json | ApiError]) -> list[Action] | None:
    if not (answers and isinstance(steps, Generator)):
        group = next(steps, None)
        return None if group is None else list(group)
    try:
        return list(steps.send(answers))
    except StopIteration:
        return None


def _nobody_answers(question: Ask) -> ApiError:
    return NotFound("the server could not find the requested resource")


def _without_revisions(objects: dict[tuple[Resource, str, str], Json]) -> dict[tuple[Resource, str, str], Json]:
    out = copy.deepcopy(objects)
    for value in out.values():
        value["metadata"].pop("resourceVersion", None)
    return out


def seen(view: Snapshot, resource: Resource, name: str, namespace: str = "default") -> Object:
    found = view.of(resource).get("" if resource in CLUSTER_SCOPED else namespace, name)
    assert found is not None
    return found


def ready(value: bool = True, since: str = LONG_AGO) -> list[Json]:
    return [{"type": "Ready", "status": "True" if value else "False", "lastTransitionTime": since}]


def pod(name: str, labels: Json | None = None, **more: Any) -> Json:
    """A Pod; `owner` a uid that controls it, `node`, `phase`, `ready`, `ip`, `deleting`."""
    meta: Json = {"name": name, "labels": labels or {}}
    if "owner" in more:
        reference = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": "web",
            "uid": more["owner"],
            "controller": True,
        }
        meta["ownerReferences"] = [reference]
    if more.get("deleting"):
        meta |= {"deletionTimestamp": LONG_AGO, "finalizers": ["test/held"]}
    spec = {"containers": more.get("containers", [{"name": "c", "image": "x"}])}
    if more.get("node"):
        spec["nodeName"] = more["node"]
    status: Json = {"phase": more.get("phase", "Running"), "conditions": ready(more.get("ready", True))}
    if more.get("ip"):
        status["podIP"] = more["ip"]
    return {"metadata": meta, "spec": spec, "status": status}
