"""What a Job has come to: its Pods sorted by what they mean for it, and how it ends.

A finished Pod is counted in three steps, each repeatable: its uid is written into `uncountedTerminatedPods`, its
finalizer is removed, its uid becomes one more of `succeeded` or `failed`. The successes of an indexed Job are a set of
indexes and need only two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from podling.api.kinds.batch.job import Job
from podling.api.objects import Object
from podling.reconcile import indexes, jobpods, podfailures, pods

NO_LIMIT = 2**31 - 1


class Ending(msgspec.Struct, frozen=True):
    """`kind`: the final condition, Complete or Failed."""

    kind: str
    reason: str
    message: str

    @property
    def announced_by(self) -> str:
        return "SuccessCriteriaMet" if self.kind == "Complete" else "FailureTarget"


class Tally(msgspec.Struct, frozen=True):
    job: Object
    active: tuple[Object, ...]
    terminating: tuple[Object, ...]
    ended: tuple[Object, ...]
    """Finished, or failed by being deleted; not those that the Job itself dismissed."""
    succeeded_uids: tuple[str, ...]
    """To be in `uncountedTerminatedPods`; so are `failed_uids`."""
    failed_uids: tuple[str, ...]
    succeeded: int
    """Counted already; the uids come on top."""
    failed: int
    done: frozenset[int]
    """Completed indexes; `broken` those that failed for good."""
    broken: frozenset[int]
    release: tuple[Object, ...]
    """Pods whose finalizer may go once the status is written."""
    fatal: str
    """Why the policy fails the Job, or empty."""

    @property
    def all_succeeded(self) -> int:
        return len(self.done) if is_indexed(self.job.view) else self.succeeded + len(self.succeeded_uids)

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.failed_uids)


def is_indexed(job: Job) -> bool:
    return job.spec.completion_mode == "Indexed"


def has_failed(found: Object, job: Job) -> bool:
    """A Pod on its way out has failed too, unless only finished Pods are replaced and a node has still to end it."""
    phase = found.view.status.phase
    if phase in ("Failed", "Succeeded") or not found.head.deleting:
        return bool(phase == "Failed")
    return bool(job.spec.pod_replacement_policy != "Failed" or not found.view.spec.node_name)


def tally(found: Object, owned: Sequence[Object], *, last: bool = False) -> Tally:
    """`owned` by age; `last`: no index is tried again, so none has to be remembered."""
    job: Job = found.view
    waiting = job.status.uncounted_terminated_pods
    before = (set(waiting.succeeded), set(waiting.failed)) if waiting is not None else (set[str](), set[str]())
    tracked = [each for each in owned if jobpods.is_tracked(each)]
    standing = {each.head.uid for each in tracked}
    verdicts = {each.head.uid: podfailures.judge(job.spec.pod_failure_policy, each.view) for each in tracked}
    won = [each for each in tracked if each.view.status.phase == "Succeeded"]
    lost = [each for each in tracked if has_failed(each, job)]
    done, broken = _indexes(found, won, lost, verdicts)
    kept = frozenset() if last else _kept(job, owned, lost, done | broken)
    failed = {each.head.uid for each in lost}
    ignored = {uid for uid, verdict in verdicts.items() if verdict.action == "Ignore"}
    counted = [each for each in lost if each.head.uid not in ignored and each.head.uid not in kept]
    indexed = is_indexed(job)
    return Tally(
        job=found,
        active=tuple(each for each in owned if pods.is_active(each.view)),
        terminating=tuple(each for each in owned if each.head.deleting and not pods.is_finished(each.view)),
        ended=tuple(each for each in owned if pods.is_finished(each.view) or each.head.uid in failed),
        succeeded_uids=() if indexed else tuple(sorted(each.head.uid for each in won)),
        failed_uids=tuple(sorted(each.head.uid for each in counted)),
        succeeded=job.status.succeeded + len(before[0] - standing),
        failed=job.status.failed + len(before[1] - standing),
        done=done,
        broken=broken,
        release=tuple(
            tracked if found.head.deleting else (each for each in (*won, *lost) if each.head.uid not in kept)
        ),
        fatal=next((each.message for each in verdicts.values() if each.action == "FailJob"), ""),
    )


def _indexes(
    found: Object, won: Iterable[Object], lost: Iterable[Object], verdicts: dict[str, podfailures.Verdict]
) -> tuple[frozenset[int], frozenset[int]]:
    job: Job = found.view
    if not is_indexed(job):
        return frozenset(), frozenset()
    limit = job.spec.completions or 0
    done = indexes.parse(job.status.completed_indexes, limit) | _within(won, limit)
    per_index = job.spec.backoff_limit_per_index
    if per_index is None:
        return done, frozenset()
    final = [
        each
        for each in lost
        if verdicts[each.head.uid].action == "FailIndex"
        or (verdicts[each.head.uid].action != "Ignore" and jobpods.failures_before(each) >= per_index)
    ]
    return done, (indexes.parse(job.status.failed_indexes, limit) | _within(final, limit)) - done


def _within(found: Iterable[Object], limit: int) -> frozenset[int]:
    return frozenset(index for index in map(jobpods.index_of, found) if index is not None and index < limit)


def _kept(job: Job, owned: Iterable[Object], lost: Sequence[Object], settled: frozenset[int]) -> frozenset[str]:
    """With limits per index, the last failed Pod of an index is its memory until a successor stands."""
    if job.spec.backoff_limit_per_index is None:
        return frozenset()
    tries: dict[int | None, int] = {}
    for each in owned:
        index = jobpods.index_of(each)
        tries[index] = max(tries.get(index, -1), jobpods.failures_before(each))
    last = [each for each in lost if jobpods.failures_before(each) >= tries[jobpods.index_of(each)]]
    working = {jobpods.index_of(each) for each in owned if pods.is_active(each.view)}
    return frozenset(each.head.uid for each in last if jobpods.index_of(each) not in settled | working)


def ending(known: Tally, now: float) -> Ending | None:
    """How the Job ends, once that is clear; what was announced is not taken back."""
    job: Job = known.job.view
    for each in job.status.conditions:
        if each.status == "True" and each.type in ("FailureTarget", "SuccessCriteriaMet"):
            return Ending("Failed" if each.type == "FailureTarget" else "Complete", each.reason, each.message)
    return _failure(known, now) or _index_failure(known) or _by_policy(known) or _completion(known)


def _failure(known: Tally, now: float) -> Ending | None:
    job: Job = known.job.view
    limit = 6 if job.spec.backoff_limit is None else job.spec.backoff_limit
    if known.fatal:
        return Ending("Failed", "PodFailurePolicy", known.fatal)
    if known.all_failed > limit or _restarts_exceed(known, limit):
        return Ending("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if deadline_in(job, now) == 0.0:
        return Ending("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
    return None


def _restarts_exceed(known: Tally, limit: int) -> bool:
    """Pods that restart in place count each restart."""
    job: Job = known.job.view
    if job.spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = 0
    for each in known.active:
        statuses = (*each.view.status.init_container_statuses, *each.view.status.container_statuses)
        restarts += sum(status.restart_count for status in statuses)
    return restarts > 0 if limit == 0 else restarts >= limit


def deadline_in(job: Job, now: float) -> float | None:
    """Seconds until activeDeadlineSeconds are over, 0.0 once they are; None without, or while suspended."""
    if job.spec.active_deadline_seconds is None or job.status.start_time is None or job.spec.suspend:
        return None
    return max(0.0, pods.seconds(job.status.start_time, now) + job.spec.active_deadline_seconds - now)


def _index_failure(known: Tally) -> Ending | None:
    job: Job = known.job.view
    if not known.broken:
        return None
    most = job.spec.max_failed_indexes
    if most is not None and len(known.broken) > most:
        text = "Job has exceeded the specified maximal number of failed indexes"
        return Ending("Failed", "MaxFailedIndexesExceeded", text)
    if len(known.broken) + len(known.done) >= (job.spec.completions or 0):
        return Ending("Failed", "FailedIndexes", "Job has failed indexes")
    return None


def _by_policy(known: Tally) -> Ending | None:
    job: Job = known.job.view
    policy = job.spec.success_policy
    for place, rule in enumerate(policy.rules if policy is not None else ()):
        wanted = indexes.parse(rule.succeeded_indexes) if rule.succeeded_indexes is not None else None
        met = known.done if wanted is None else known.done & wanted
        needed = rule.succeeded_count if rule.succeeded_count is not None else len(wanted or ())
        if len(met) >= needed:
            return Ending("Complete", "SuccessPolicy", f"Matched rules at index {place}")
    return None


def _completion(known: Tally) -> Ending | None:
    """Without a number of completions one success is enough, once all others have ended too."""
    job: Job = known.job.view
    needed = 1 if job.spec.completions is None else job.spec.completions
    if known.all_succeeded < needed or known.active or job.spec.suspend:
        return None
    return Ending("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
