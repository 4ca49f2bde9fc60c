"""Stored objects are written once more, so that all of them are kept in the version that is stored by now.

One migration of a resource at a time, the oldest first: its CRD says that it runs, every object is patched with nothing
(which writes it only where it lies there in another version), and when all are through, the CRD forgets the versions
that nothing is stored in any more. A CRD that changed meanwhile keeps them (Kubernetes documentation, "Migrate
Kubernetes Objects Using Storage Version Migration").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from podling.api.errors import ApiError, Expired
from podling.api.objects import Object
from podling.client.resources import CUSTOMRESOURCEDEFINITIONS, STORAGEVERSIONMIGRATIONS
from podling.env import rfc3339
from podling.reconcile import pods
from podling.reconcile.action import Again, Ask, Asking, Group, Patch, Plan, Update
from podling.reconcile.controller import Controller
from podling.reconcile.view import Served, View

Json = dict[str, Any]
PAGE = 100
PATIENCE, RETRY = 60.0, 2.0
"""Seconds that a resource may be missing, for a CRD takes a moment until it is served."""
RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
MIGRATING = "StorageMigrating"


def reconcile(found: Object, view: View) -> Asking:
    body = found.json()
    done = next((kind for kind in (SUCCEEDED, FAILED) if _is(body, kind)), None)
    if done is not None:
        if _condition(body, RUNNING) is not None:
            yield from _finished(found, body, view, succeeded=done == SUCCEEDED)
    elif not _is(body, RUNNING):
        if _is_next(found, view):
            yield from _begun(found, body, view)
    else:
        yield from _migrated(found, body, view)


def _begun(found: Object, body: Json, view: View) -> Plan:
    crd = _definition(body, view)
    if crd is not None:
        message = f"Migration {found.head.name} is running"
        yield [_crd_says(crd, True, "MigrationRunning", message, view)]
    yield [_says(found, body, RUNNING, "MigrationRunning", "The migration is running", view)]


def _migrated(found: Object, body: Json, view: View) -> Asking:
    wanted = body["spec"]["resource"]
    served = view.served.of_plural(wanted.get("group", ""), wanted["resource"])
    if served is None:
        if view.now - pods.seconds(found.json()["metadata"].get("creationTimestamp"), view.now) < PATIENCE:
            yield [Again(RETRY)]
        else:
            yield [_says(found, body, FAILED, "StorageVersionMigrationFailed", "resource not found", view)]
        return
    if view.failure is not None and 400 <= view.failure.code < 500 and view.failure.code not in (404, 409, 410, 429):
        why = "migration encountered unhandled error"
        yield [_says(found, body, FAILED, "StorageVersionMigrationFailed", why, view)]
        return
    query: tuple[tuple[str, str], ...] = (("limit", str(PAGE)),)
    token, revision = "", ""
    while True:
        more = query + ((("continue", token),) if token else ())
        (answer,) = yield [Ask(served.resource.path(""), more)]
        if isinstance(answer, ApiError):
            # Where the list is too old by now it begins anew: what was written already costs nothing.
            yield [Again(0.0 if isinstance(answer, Expired) else RETRY)]
            return
        revision = revision or str(answer["metadata"].get("resourceVersion", ""))
        yield list(_touched(answer.get("items") or (), served))
        token = answer["metadata"].get("continue") or ""
        if not token:
            break
    body["status"] = (body.get("status") or {}) | {"resourceVersion": revision}
    yield [_says(found, body, SUCCEEDED, "StorageVersionMigrationSucceeded", "", view)]


def _touched(items: Iterable[Json], served: Served) -> Iterator[Patch]:
    for each in items:
        meta = each["metadata"]
        # With the uid: one that was deleted and made again since is not meant.
        yield Patch(served.resource, meta.get("namespace", ""), meta["name"], {"metadata": {"uid": meta["uid"]}})


def _finished(found: Object, body: Json, view: View, *, succeeded: bool) -> Iterator[Group]:
    crd = _definition(body, view)
    if crd is not None:
        yield [_crd_ended(crd, succeeded, view)]
    conditions = [each for each in body["status"]["conditions"] if each["type"] != RUNNING]
    body["status"]["conditions"] = conditions
    yield [Update(STORAGEVERSIONMIGRATIONS, "", found.head.name, body, "status")]


def _crd_ended(crd: Object, succeeded: bool, view: View) -> Update:
    if not succeeded:
        return _crd_says(crd, False, "MigrationFailed", "The migration has failed", view)
    known = crd.json()
    before = next((each for each in _conditions(known) if each["type"] == MIGRATING), {})
    same = before.get("observedGeneration") == known["metadata"].get("generation")
    then = " and the stored versions have been updated"
    text = then if same else " but the stored versions have not been updated due to a generation mismatch"
    update = _crd_says(crd, False, "MigrationSucceeded", f"The migration has succeeded{text}", view)
    if same:
        stored = [each["name"] for each in known["spec"]["versions"] if each.get("storage")]
        update.body["status"]["storedVersions"] = stored
    return update


def _crd_says(crd: Object, status: bool, reason: str, message: str, view: View) -> Update:
    body = crd.json()
    condition = _made(MIGRATING, status, reason, message, view)
    condition["observedGeneration"] = body["metadata"].get("generation", 0)
    body["status"]["conditions"] = [*(each for each in _conditions(body) if each["type"] != MIGRATING), condition]
    return Update(CUSTOMRESOURCEDEFINITIONS, "", crd.head.name, body, "status")


def _says(found: Object, body: Json, kind: str, reason: str, message: str, view: View) -> Update:
    body["status"] = (body.get("status") or {}) | {
        "conditions": [
            *(each for each in _conditions(body) if each["type"] != kind),
            _made(kind, True, reason, message, view),
        ]
    }
    return Update(STORAGEVERSIONMIGRATIONS, "", found.head.name, body, "status")


def _made(kind: str, status: bool, reason: str, message: str, view: View) -> Json:
    said = {"type": kind, "status": "True" if status else "False", "reason": reason, "message": message}
    return said | {"lastTransitionTime": rfc3339(view.now)}


def _conditions(body: Json) -> list[Json]:
    return list((body.get("status") or {}).get("conditions") or ())


def _condition(body: Json, kind: str) -> Json | None:
    return next((each for each in _conditions(body) if each["type"] == kind), None)


def _is(body: Json, kind: str) -> bool:
    found = _condition(body, kind)
    return found is not None and found["status"] == "True"


def _definition(body: Json, view: View) -> Object | None:
    wanted = body["spec"]["resource"]
    return view.of(CUSTOMRESOURCEDEFINITIONS).get("", f"{wanted['resource']}.{wanted.get('group', '')}")


def _is_next(found: Object, view: View) -> bool:
    """Nothing of the resource runs, and this is the oldest that waits."""
    others = [each.json() for each in view.of(STORAGEVERSIONMIGRATIONS).list()]
    same = [each for each in others if each["spec"]["resource"] == found.json()["spec"]["resource"]]
    if any(_condition(each, RUNNING) is not None for each in same):
        return False
    waiting = [each["metadata"] for each in same if not (_is(each, SUCCEEDED) or _is(each, FAILED))]
    first = min(waiting, key=lambda each: (each.get("creationTimestamp", ""), each["name"]), default=None)
    return first is not None and first["name"] == found.head.name


def _same_resource(changed: Object, view: View) -> Iterable[str]:
    wanted = changed.json()["spec"]["resource"]
    for each in view.of(STORAGEVERSIONMIGRATIONS).list():
        if each.key != changed.key and each.json()["spec"]["resource"] == wanted:
            yield each.key


CONTROLLER = Controller(
    name="storage-version-migrator",
    component="storage-version-migrator-controller",
    reconcile=reconcile,
    resource=STORAGEVERSIONMIGRATIONS,
    reads=(CUSTOMRESOURCEDEFINITIONS,),
    related=_same_resource,
)
