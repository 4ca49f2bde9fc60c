"""Job: Pods until enough of them have succeeded, or too many failed, or time is over.

A run writes what it counted, lets go of the Pods that are counted (see `reconcile/jobtally.py`), and makes or deletes
Pods. How a Job will end is announced first (SuccessCriteriaMet, FailureTarget) and becomes its final condition when no
Pod of it is left running. What is finished is forgotten by `ttlafterfinished.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from podling.api.kinds.batch.job import Job
from podling.api.objects import Object, key_of
from podling.client.resources import JOBS, PODS
from podling.env import rfc3339
from podling.reconcile import claiming, indexes, jobpods, jobtally, pods, statuses
from podling.reconcile.action import Action, Again, Create, Delete, Group, Plan, Tell, reference
from podling.reconcile.batches import slow_start
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.jobtally import Ending, Tally
from podling.reconcile.podranking import rank_for_deletion
from podling.reconcile.selectors import matches
from podling.reconcile.statuses import Conditions
from podling.reconcile.view import View

BURST = 500
OURS = "kubernetes.io/job-controller"
Json = dict[str, Any]


class Scaling(msgspec.Struct, frozen=True):
    create: tuple[Create, ...] = ()
    delete: tuple[Object, ...] = ()
    wait: float = 0.0
    """Seconds until more may be made."""


def reconcile(found: Object, view: View) -> Plan:
    """Groups: claims; the status; finalizers; deletions; creations in slow-start batches."""
    job: Job = found.view
    if job.spec.managed_by not in (None, OURS) or job.spec.selector is None:
        return
    yield _left_behind(view, found.head.namespace, found.head.name, found.head.uid)
    if any(_is_final(each.type, each.status) for each in job.status.conditions):
        yield [jobpods.release(each) for each in view.of(PODS).owned(found.head.uid) if jobpods.is_tracked(each)]
        return
    claimed = claiming.claim(found, job.spec.selector, view.of(PODS))
    yield from claiming.groups(claimed, found, JOBS)
    yield [jobpods.track(each) for each in claimed.adopt if not jobpods.is_tracked(each)]
    owned = claiming.ordered((*claimed.owned, *claimed.adopt))
    known = jobtally.tally(found, owned)
    ending = jobtally.ending(known, view.now)
    if ending is not None:
        known = jobtally.tally(found, owned, last=True)
    scaling = _scaling(known, ending, view.now)
    yield _status(known, ending, view.now)
    yield _events(known, ending)
    yield [jobpods.release(each) for each in known.release]
    if ending is None:
        # Whom the Job itself no longer wants has not failed it.
        yield [jobpods.release(each) for each in scaling.delete if jobpods.is_tracked(each)]
    yield [*(_deletion(found, each) for each in scaling.delete), *_wakes(job, scaling, view.now)]
    yield from slow_start(scaling.create[:BURST])


def vanished(key: str, view: View) -> Plan:
    _, _, namespace, name = key.split("/", 3)
    yield _left_behind(view, namespace, name, "")


def _left_behind(view: View, namespace: str, name: str, uid: str) -> Group:
    """Pods of an earlier Job of this name, which nobody will count any more."""
    out: list[Action] = []
    for each in view.of(PODS).list(namespace) if not uid else view.of(PODS).selected(namespace, {"job-name": name}):
        owner = pods.controller_of(each.view.metadata)
        if owner is not None and (owner.kind, owner.name) == ("Job", name) and owner.uid != uid:
            out += [jobpods.release(each)] if jobpods.is_tracked(each) else []
    return out


def _is_final(type: str, status: str) -> bool:
    return type in ("Complete", "Failed") and status == "True"


def _scaling(known: Tally, ending: Ending | None, now: float) -> Scaling:
    job: Job = known.job.view
    if known.job.head.deleting:
        return Scaling()
    if ending is not None or job.spec.suspend:
        return Scaling(delete=known.active)
    wanted = _wanted(known, job)
    duplicates = _superfluous(known, job)
    surplus = len(known.active) - len(duplicates) - wanted
    if surplus > 0 or duplicates:
        twice = {each.key for each in duplicates}
        others = [each for each in known.active if each.key not in twice]
        ranked = rank_for_deletion(others, others, now)[: max(surplus, 0)]
        return Scaling(delete=(*duplicates, *ranked))
    missing = wanted - len(known.active)
    if job.spec.pod_replacement_policy == "Failed":
        missing -= len(known.terminating)
    if missing <= 0:
        return Scaling()
    if jobtally.is_indexed(job) and job.spec.backoff_limit_per_index is not None:
        return _each_index(known, missing, now)
    wait = jobpods.wait_after(known.ended, now)
    if wait:
        return Scaling(wait=wait)
    if jobtally.is_indexed(job):
        return Scaling(create=tuple(jobpods.creation(known.job, index) for index in _open(known)[:missing]))
    return Scaling(create=(jobpods.creation(known.job),) * missing)


def _wanted(known: Tally, job: Job) -> int:
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.completions is None:
        return len(known.active) if known.all_succeeded else parallelism
    return max(0, min(parallelism, job.spec.completions - known.all_succeeded - len(known.broken)))


def _superfluous(known: Tally, job: Job) -> tuple[Object, ...]:
    """Active Pods of an index that is settled, beyond the last, or that an older Pod has."""
    if not jobtally.is_indexed(job):
        return ()
    taken, out = set(known.done | known.broken), list[Object]()
    for each in known.active:
        index = jobpods.index_of(each)
        if index is None or index in taken or index >= (job.spec.completions or 0):
            out.append(each)
        else:
            taken.add(index)
    return tuple(out)


def _open(known: Tally) -> list[int]:
    """Indexes nobody works on, the lowest first."""
    job: Job = known.job.view
    working = list(known.active)
    if job.spec.pod_replacement_policy == "Failed":
        working += known.terminating
    taken = known.done | known.broken | {jobpods.index_of(each) for each in working}
    return [index for index in range(job.spec.completions or 0) if index not in taken]


def _each_index(known: Tally, missing: int, now: float) -> Scaling:
    """Every index has failures and delays of its own."""
    create: list[Create] = []
    waits: list[float] = []
    for index in _open(known):
        mine = [each for each in known.ended if jobpods.index_of(each) == index]
        failures = max((jobpods.failures_before(each) + 1 for each in mine), default=0)
        since = max((jobpods.finished_at(each, now) for each in mine), default=now)
        wait = since + jobpods.delay(failures) - now
        if failures and wait > 0:
            waits.append(wait)
        elif len(create) < missing:
            create.append(jobpods.creation(known.job, index, failures))
    return Scaling(create=tuple(create), wait=min(waits, default=0.0))


def _deletion(found: Object, pod: Object) -> Delete:
    about = reference(found)
    return Delete(
        PODS,
        pod.head.namespace,
        pod.head.name,
        pod.head.uid,
        done=Tell(about, "Normal", "SuccessfulDelete", "Deleted pod: {name}"),
        failed=Tell(about, "Warning", "FailedDelete", "Error deleting: {error}"),
    )


def _wakes(job: Job, scaling: Scaling, now: float) -> Iterator[Action]:
    waits = [scaling.wait, jobtally.deadline_in(job, now) or 0.0]
    if any(waits):
        yield Again(min(wait for wait in waits if wait))


def _is_over(known: Tally, ending: Ending | None) -> bool:
    """No Pod runs, and all that ended are counted."""
    return ending is not None and not (known.active or known.terminating or known.release)


def _status(known: Tally, ending: Ending | None, now: float) -> list[Action]:
    found, over = known.job, _is_over(known, ending)
    job: Job = found.view
    old: Json = found.json().get("status") or {}
    conditions = _suspended(job, statuses.conditions_of(found), now)
    if ending is not None:
        told = ("True", ending.reason, ending.message)
        conditions = statuses.stated(conditions, now, ending.announced_by, *told, lastProbeTime=rfc3339(now))
        if over:
            conditions = statuses.stated(conditions, now, ending.kind, *told, lastProbeTime=rfc3339(now))
    status = _counts(known)
    start = _start(job, conditions, old, now)
    status |= {"startTime": start} if start else {}
    status |= {"conditions": conditions} if conditions else {}
    if over and ending is not None and ending.kind == "Complete":
        status["completionTime"] = rfc3339(now)
    return statuses.writing(found, JOBS, status, locked=True)


def _counts(known: Tally) -> Json:
    job: Job = known.job.view
    indexed = jobtally.is_indexed(job)
    out: Json = {
        "active": len(known.active),
        "succeeded": len(known.done) if indexed else known.succeeded,
        "failed": known.failed,
        "completedIndexes": indexes.text(known.done),
        "ready": sum(pods.is_ready(each.view) for each in known.active),
        "terminating": len(known.terminating),
    }
    said = {name: value for name, value in out.items() if value or name in ("ready", "terminating")}
    if indexed and job.spec.backoff_limit_per_index is not None:
        said["failedIndexes"] = indexes.text(known.broken)
    waiting = {"succeeded": list(known.succeeded_uids), "failed": list(known.failed_uids)}
    said["uncountedTerminatedPods"] = {name: uids for name, uids in waiting.items() if uids}
    return said


def _start(job: Job, conditions: Conditions, old: Json, now: float) -> str | None:
    """Work begins when the Job is first seen not suspended, and anew when it is resumed."""
    if job.spec.suspend:
        return old.get("startTime")
    was_suspended = any(each.type == "Suspended" and each.status == "True" for each in job.status.conditions)
    return rfc3339(now) if was_suspended or not old.get("startTime") else str(old["startTime"])


def _suspended(job: Job, conditions: Conditions, now: float) -> Conditions:
    if job.spec.suspend:
        return statuses.stated(
            conditions, now, "Suspended", "True", "JobSuspended", "Job suspended", lastProbeTime=rfc3339(now)
        )
    if statuses.condition(conditions, "Suspended") is None:
        return conditions
    return statuses.stated(
        conditions, now, "Suspended", "False", "JobResumed", "Job resumed", lastProbeTime=rfc3339(now)
    )


def _events(known: Tally, ending: Ending | None) -> list[Action]:
    job: Job = known.job.view
    about, out = reference(known.job), list[Action]()
    held = {each.type: each.status for each in job.status.conditions}
    if job.spec.suspend and held.get("Suspended") != "True":
        out.append(Tell(about, "Normal", "Suspended", "Job suspended"))
    if not job.spec.suspend and held.get("Suspended") == "True":
        out.append(Tell(about, "Normal", "Resumed", "Job resumed"))
    if ending is not None and _is_over(known, ending):
        if ending.kind == "Complete":
            out.append(Tell(about, "Normal", "Completed", "Job completed"))
        else:
            out.append(Tell(about, "Warning", ending.reason, ending.message))
    return out


def _concerned(pod: Object, view: View) -> Iterable[str]:
    """The Job that controls a Pod, even one that is gone; for an orphan, all that might adopt it."""
    owner = pods.controller_of(pod.view.metadata)
    if owner is not None:
        return (_key(pod.head.namespace, owner.name),) if owner.kind == "Job" else ()
    return [
        each.key
        for each in view.of(JOBS).list(pod.head.namespace)
        if (selector := each.view.spec.selector) is not None and matches(selector, pod.head.labels)
    ]


def _key(namespace: str, name: str) -> str:
    return key_of(JOBS.group, JOBS.plural, namespace, name)


CONTROLLER = Controller(
    name="job",
    component="job-controller",
    reconcile=reconcile,
    resource=JOBS,
    watches=(Watch(PODS, _concerned),),
    vanished=vanished,
)
