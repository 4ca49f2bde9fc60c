"""CronJob: a Job at each moment of a schedule.

The name of a Job is the moment it was made for, so a moment never gets two, whatever is lost or killed between a
creation and the status that tells of it. What was missed is made up for once, with the latest moment, unless
`startingDeadlineSeconds` are over (the documentation's "CronJob").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from podling.api import cron
from podling.api.kinds.batch.cronjob import CronJob
from podling.api.objects import Object, key_of
from podling.client.resources import CRONJOBS, JOBS
from podling.env import rfc3339
from podling.reconcile import claiming, pods, statuses
from podling.reconcile.action import Action, Again, Create, Delete, Plan, Tell, reference
from podling.reconcile.controller import Controller, Watch
from podling.reconcile.view import View

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
TOO_MANY = 100
_WINDOWS = (60.0, 3600.0, 86400.0, 40 * 86400.0, 400 * 86400.0, 1500 * 86400.0)
_LATE = 0.1
"""Seconds after its moment that a Job is made: never before it."""
Json = dict[str, Any]


class Due(msgspec.Struct, frozen=True):
    """The latest moment that has come and was not served; how many there were; the next to come."""

    moment: float | None
    missed: int
    following: float | None


def reconcile(found: Object, view: View) -> Plan:
    """Groups: Jobs beyond the history; the status; what is due."""
    children = _children(found, view)
    yield _forgotten(found, children)
    status = _status(found, children)
    yield [*statuses.writing(found, CRONJOBS, status), *_news(found, children)]
    if not found.head.deleting and not found.view.spec.suspend:
        yield from _schedule(found, children, status, view.now)


def _schedule(found: Object, children: Sequence[Object], status: Json, now: float) -> Plan:
    spec, about = found.view.spec, reference(found)
    try:
        zone = cron.zone_of(spec.time_zone)
    except cron.BadSchedule as bad:
        yield [Tell(about, "Warning", "UnknownTimeZone", f'invalid timeZone: "{spec.time_zone}": {bad}')]
        return
    try:
        schedule = cron.parse(spec.schedule)
    except cron.BadSchedule as bad:
        yield [Tell(about, "Warning", "UnparseableSchedule", f'unparseable schedule: "{spec.schedule}" : {bad}')]
        return
    due = due_at(found, schedule, zone, pods.seconds(status.get("lastScheduleTime"), 0.0), now)
    again = [Again(due.following + _LATE - now)] if due.following is not None else []
    if due.missed > TOO_MANY:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        yield [Tell(about, "Warning", "TooManyMissedTimes", text)]
    if due.moment is not None:
        yield from _start(found, children, status, due.moment, zone, now)
    yield again


def _start(found: Object, children: Sequence[Object], status: Json, moment: float, zone: tzinfo, now: float) -> Plan:
    spec, about = found.view.spec, reference(found)
    deadline = spec.starting_deadline_seconds
    if deadline is not None and moment + deadline < now:
        said = datetime.fromtimestamp(moment, zone).strftime("%a, %d %b %Y %H:%M:%S %z")
        yield [Tell(about, "Warning", "MissSchedule", f"Missed scheduled time to start a job: {said}")]
        return
    if any(each.head.name == _name(found, moment) for each in children):
        return
    running = [each for each in children if ending(each) is None and _is_listed(status, each)]
    if running and spec.concurrency_policy == "Forbid":
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        yield [Tell(about, "Normal", "JobAlreadyActive", text)]
        return
    if running and spec.concurrency_policy == "Replace":
        yield [_deletion(found, each) for each in running]
    yield [_creation(found, moment, zone)]
    told = {**status, "lastScheduleTime": rfc3339(moment)}
    yield statuses.writing(found, CRONJOBS, told)


def due_at(found: Object, schedule: cron.Schedule, zone: tzinfo, last: float, now: float) -> Due:
    """`last`: the moment served last, 0.0 where there is none."""
    cron_job: CronJob = found.view
    earliest = last or pods.seconds(cron_job.metadata.creation_timestamp, now)
    if cron_job.spec.starting_deadline_seconds is not None:
        earliest = max(earliest, now - cron_job.spec.starting_deadline_seconds)
    missed, moment, following = 0, None, schedule.next(earliest, zone)
    while following is not None and following <= now:
        missed, moment = missed + 1, following
        if missed > TOO_MANY:
            moment = _latest(schedule, zone, earliest, now) or moment
            return Due(moment, missed, schedule.next(now, zone))
        following = schedule.next(following, zone)
    return Due(moment, missed, following)


def _latest(schedule: cron.Schedule, zone: tzinfo, earliest: float, now: float) -> float | None:
    """The last moment up to now, looked for in wider and wider windows."""
    if schedule.every:
        return earliest + (now - earliest) // schedule.every * schedule.every
    for window in _WINDOWS:
        moment, following = None, schedule.next(now - window, zone)
        while following is not None and following <= now:
            moment, following = following, schedule.next(following, zone)
        if moment is not None:
            return moment
    return None


def ending(job: Object) -> str | None:
    """Complete or Failed; None while the Job is not over."""
    held = (each.type for each in job.view.status.conditions if each.status == "True")
    return next((each for each in held if each in ("Complete", "Failed")), None)


def _children(found: Object, view: View) -> list[Object]:
    """The Jobs it controls, the oldest first."""
    mine = []
    for each in view.of(JOBS).owned(found.head.uid):
        owner = pods.controller_of(each.view.metadata)
        if owner is not None and owner.uid == found.head.uid:
            mine.append(each)
    return sorted(mine, key=lambda each: (each.view.metadata.creation_timestamp, each.head.name))


def _forgotten(found: Object, children: Sequence[Object]) -> list[Action]:
    spec, out = found.view.spec, list[Action]()
    limits = (("Complete", spec.successful_jobs_history_limit), ("Failed", spec.failed_jobs_history_limit))
    for how, limit in limits:
        ended = [each for each in children if ending(each) == how and not each.head.deleting]
        ended.sort(key=lambda each: (each.view.status.start_time or "", each.head.name))
        if limit is not None:
            out += [_deletion(found, each) for each in ended[: max(0, len(ended) - limit)]]
    return out


def _status(found: Object, children: Sequence[Object]) -> Json:
    """From the Jobs that stand: those it made are active until they end."""
    old: Json = found.json().get("status") or {}
    scheduled = [_moment(found, each) for each in children]
    latest = max((moment for moment in scheduled if moment is not None), default=0.0)
    if latest > pods.seconds(old.get("lastScheduleTime"), 0.0):
        old["lastScheduleTime"] = rfc3339(latest)
    ended = [each.view.status.completion_time for each in children if ending(each) == "Complete"]
    success = max((each for each in (*ended, old.get("lastSuccessfulTime")) if each), default=None)
    known = {each.uid for each in found.view.status.active}
    active = [
        _listed(each)
        for each in children
        if ending(each) is None and (each.head.uid in known or _moment(found, each) is not None)
    ]
    said = {"active": active, "lastScheduleTime": old.get("lastScheduleTime"), "lastSuccessfulTime": success}
    return {name: value for name, value in said.items() if value}


def _listed(job: Object) -> Json:
    where = {"namespace": job.head.namespace, "name": job.head.name, "uid": job.head.uid}
    return {"apiVersion": "batch/v1", "kind": "Job", **where}


def _is_listed(status: Json, job: Object) -> bool:
    return any(each["uid"] == job.head.uid for each in status.get("active", ()))


def _news(found: Object, children: Sequence[Object]) -> list[Action]:
    """What happened to Jobs since the status was last written."""
    about, out = reference(found), list[Action]()
    before = {each.uid: each.name for each in found.view.status.active}
    standing = {each.head.uid: each for each in children}
    for uid, name in before.items():
        job = standing.get(uid)
        if job is None:
            out.append(Tell(about, "Normal", "MissingJob", f"Active job went missing: {name}"))
        elif (how := ending(job)) is not None:
            text = f"Saw completed job: {name}, condition: {how}"
            out.append(Tell(about, "Normal", "SawCompletedJob", text))
    for uid, each in standing.items():
        if uid not in before and ending(each) is None and _moment(found, each) is None:
            text = f"Saw a job that the controller did not create or forgot: {each.head.name}"
            out.append(Tell(about, "Warning", "UnexpectedJob", text))
    return out


def _moment(found: Object, job: Object) -> float | None:
    """What a Job was made for; None where a user made it."""
    text = job.view.metadata.annotations.get(SCHEDULED, "")
    moment = pods.seconds(text, -1.0)
    return moment if moment >= 0 and job.head.name == _name(found, moment) else None


def _name(found: Object, moment: float) -> str:
    return f"{found.head.name}-{int(moment) // 60}"


def _creation(found: Object, moment: float, zone: tzinfo) -> Create:
    template = found.json()["spec"]["jobTemplate"]
    given = template.get("metadata") or {}
    said = datetime.fromtimestamp(moment, zone).isoformat().replace("+00:00", "Z")
    metadata = {
        "name": _name(found, moment),
        "namespace": found.head.namespace,
        "labels": given.get("labels") or {},
        "annotations": {**(given.get("annotations") or {}), SCHEDULED: said},
        "ownerReferences": [claiming.owner_reference(found)],
    }
    about = reference(found)
    return Create(
        JOBS,
        found.head.namespace,
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template.get("spec") or {}},
        done=Tell(about, "Normal", "SuccessfulCreate", "Created job {name}"),
        failed=Tell(about, "Warning", "FailedCreate", "Error creating job: {error}"),
    )


def _deletion(found: Object, job: Object) -> Delete:
    about = reference(found)
    return Delete(
        JOBS,
        job.head.namespace,
        job.head.name,
        job.head.uid,
        propagation="Background",
        done=Tell(about, "Normal", "SuccessfulDelete", f"Deleted job {job.head.name}"),
        failed=Tell(about, "Warning", "FailedDelete", "Deleted job: {error}"),
    )


def _concerned(job: Object, view: View) -> Iterable[str]:
    owner = pods.controller_of(job.view.metadata)
    if owner is not None and owner.kind == "CronJob":
        yield key_of(CRONJOBS.group, CRONJOBS.plural, job.head.namespace, owner.name)


CONTROLLER = Controller(
    name="cronjob",
    component="cronjob-controller",
    reconcile=reconcile,
    resource=CRONJOBS,
    watches=(Watch(JOBS, _concerned),),
)
