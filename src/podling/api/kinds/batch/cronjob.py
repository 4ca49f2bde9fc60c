"""CronJob.

Makes a Job whenever its schedule says so.
"""

from __future__ import annotations

from podling.api.kinds.batch.job import JobTemplateSpec
from podling.api.kinds.cells import AGE, NAME, NONE, at, column, since, template_columns, value
from podling.api.kinds.core import poddefaults
from podling.api.kinds.core.references import ObjectReference
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View


class CronJobSpec(View, frozen=True):
    schedule: str = ""
    time_zone: str | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = ""
    suspend: bool | None = None
    job_template: JobTemplateSpec = JobTemplateSpec()
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None


class CronJobStatus(View, frozen=True):
    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: str | None = None
    last_successful_time: str | None = None


class CronJob(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    poddefaults.fill(spec, "concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    poddefaults.template(spec.setdefault("jobTemplate", {}).setdefault("spec", {}).setdefault("template", {}))


def suspended(obj: Json, now: float) -> str:
    found = at(obj, "spec.suspend")
    return "<unset>" if found is None else str(bool(found))


def last_schedule(obj: Json, now: float) -> str:
    found = at(obj, "status.lastScheduleTime")
    return since(found, now) if found else NONE


KIND = Kind(
    "batch",
    "v1",
    "CronJob",
    CronJob,
    defaults=defaults,
    strategy=Strategy(status=True, generation=True),
    columns=(
        NAME,
        column("Schedule", value("spec.schedule"), description="When, as crontab(5)."),
        column("Timezone", value("spec.timeZone", NONE), description="The time zone of the schedule."),
        column("Suspend", suspended, "boolean", description="Whether it is switched off."),
        column("Active", lambda obj, _: len(at(obj, "status.active") or ()), "integer", description="Running Jobs."),
        column("Last Schedule", last_schedule, description="Time since the last Job was made."),
        AGE,
        *template_columns("spec.jobTemplate.spec.template", "spec.jobTemplate.spec.selector"),
    ),
    needs_controller=True,
)
