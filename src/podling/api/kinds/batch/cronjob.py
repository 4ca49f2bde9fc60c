"""CronJob.

Makes a Job whenever its schedule says so.
"""

from __future__ import annotations

from podling.api import cron, names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.apps import workloadrules
from podling.api.kinds.batch import job
from podling.api.kinds.batch.job import JobTemplateSpec
from podling.api.kinds.cells import AGE, NAME, NONE, at, column, since, template_columns, value
from podling.api.kinds.core import poddefaults, warnings
from podling.api.kinds.core.references import ObjectReference
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.versions import same_shape
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


# A Job's name is the CronJob's and eleven characters more.
LONGEST_NAME = 52


def name_rule(name: str) -> list[str]:
    found = names.dns_subdomain(name)
    return found if len(name) <= LONGEST_NAME else [*found, f"must be no more than {LONGEST_NAME} characters"]


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = [] if spec.get("schedule") else [causes.required("spec.schedule")]
    if "TZ" in spec.get("schedule", ""):
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        found.append(causes.invalid("spec.schedule", spec["schedule"], text))
    elif spec.get("schedule"):
        found += _schedule(spec["schedule"])
    if spec.get("timeZone") == "":
        found.append(causes.invalid("spec.timeZone", "", "timeZone must be nil or non-empty string"))
    elif spec.get("timeZone"):
        found += _time_zone(spec["timeZone"])
    found += workloadrules.not_negative(
        spec, "spec", "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
    )
    found += rules.required_one_of(
        "spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace")
    )
    return found + job.validate_spec("spec.jobTemplate.spec", at(spec, "jobTemplate.spec") or {})


def _schedule(text: str) -> list[Cause]:
    try:
        cron.parse(text)
    except cron.BadSchedule as bad:
        return [causes.invalid("spec.schedule", text, str(bad))]
    return []


def _time_zone(name: str) -> list[Cause]:
    try:
        cron.zone_of(name)
    except cron.BadSchedule as bad:
        return [causes.invalid("spec.timeZone", name, str(bad))]
    return []


KIND = Kind(
    "batch",
    "v1",
    "CronJob",
    CronJob,
    defaults=defaults,
    warnings=warnings.cron_job,
    validate=validate,
    name_rule=name_rule,
    strategy=Strategy(
        status=True, generation=True, orphans_in=frozenset({("batch", "v1beta1"), ("batch", "v2alpha1")})
    ),
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
    conversions=tuple(same_shape("batch", version, defaults, "batch/v1") for version in ("v1beta1", "v2alpha1")),
    needs_controller=True,
)
