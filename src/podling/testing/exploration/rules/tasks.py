"""Jobs and CronJobs: no more work than asked for, no index and no moment twice, policies of concurrency obeyed."""

from __future__ import annotations

from collections.abc import Iterator

from podling.testing.exploration.rules.rule import Json, Rules, born
from podling.testing.exploration.world import World, active, controller_of, holds, terminating

INDEX = "batch.kubernetes.io/job-completion-index"
SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def no_more_work_than_asked_for(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    """A Job runs at most `parallelism` Pods, and none beyond its completions."""
    if after is None or not born(before, after) or (job := world.owner(after, "batch/jobs")) is None:
        return
    name, spec = job["metadata"]["name"], job["spec"]
    running = [*filter(active, world.owned("core/pods", job["metadata"]["uid"]))]
    if len(running) > spec["parallelism"]:
        yield f"Job {name} runs {len(running)} Pods, at most {spec['parallelism']} are allowed"
    done = min(world.succeeded(job["metadata"]["uid"]), job.get("status", {}).get("succeeded", 0))
    if len(running) + done > spec["completions"]:
        yield f"Job {name} runs {len(running)} Pods and {done} succeeded, of {spec['completions']} completions"
    indexes = [each["metadata"].get("annotations", {}).get(INDEX) for each in running]
    if spec.get("completionMode") == "Indexed" and len(set(indexes)) < len(indexes):
        yield f"Job {name} works on an index twice: {indexes}"


def what_succeeded_stays_counted(world: World, now: float, before: Json | None, after: Json | None) -> Iterator[str]:
    if before is None or after is None or before["metadata"]["uid"] != after["metadata"]["uid"]:
        return
    was, now_counted = (each.get("status", {}).get("succeeded", 0) for each in (before, after))
    if now_counted < was:
        yield f"Job {after['metadata']['name']} had {was} completions and now has {now_counted}"
    if holds(before, "Complete") and not holds(after, "Complete"):
        yield f"Job {after['metadata']['name']} was complete and is it no more"


def jobs_of_a_schedule_do_as_its_policy_says(
    world: World, now: float, before: Json | None, after: Json | None
) -> Iterator[str]:
    if after is None or not born(before, after) or (cron_job := world.owner(after, "batch/cronjobs")) is None:
        return
    name, policy = cron_job["metadata"]["name"], cron_job["spec"]["concurrencyPolicy"]
    others = [
        each
        for each in world.owned("batch/jobs", controller_of(after)["uid"])
        if each["metadata"]["uid"] != after["metadata"]["uid"]
    ]
    if any(_moment(each) == _moment(after) for each in others):
        yield f"CronJob {name} has two Jobs of {_moment(after)}"
    running = [each for each in others if not (holds(each, "Complete") or holds(each, "Failed") or terminating(each))]
    if running and policy != "Allow":
        yield f"CronJob {name} began {after['metadata']['name']} beside {running[0]['metadata']['name']} ({policy})"


def _moment(job: Json) -> str:
    return str(job["metadata"].get("annotations", {}).get(SCHEDULED))


RULES: Rules = {
    "core/pods": (no_more_work_than_asked_for,),
    "batch/jobs": (what_succeeded_stays_counted, jobs_of_a_schedule_do_as_its_policy_says),
}
