"""Job.

Runs Pods until enough of them have succeeded. Unless told otherwise it selects them by its own uid.
"""

from __future__ import annotations

from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.apps import workloadrules
from podling.api.kinds.batch import jobrules
from podling.api.kinds.cells import AGE, NAME, at, column, human_duration, seconds, template_columns
from podling.api.kinds.core import poddefaults, podrules, warnings
from podling.api.kinds.core.podspec import PodTemplateSpec
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.meta import LabelSelector, ObjectMeta
from podling.api.kinds.view import View


class PodFailurePolicyOnExitCodesRequirement(View, frozen=True):
    container_name: str | None = None
    operator: str = ""
    values: tuple[int, ...] = ()


class PodFailurePolicyOnPodConditionsPattern(View, frozen=True):
    type: str = ""
    status: str = ""


class PodFailurePolicyRule(View, frozen=True):
    action: str = ""
    on_exit_codes: PodFailurePolicyOnExitCodesRequirement | None = None
    on_pod_conditions: tuple[PodFailurePolicyOnPodConditionsPattern, ...] = ()


class PodFailurePolicy(View, frozen=True):
    rules: tuple[PodFailurePolicyRule, ...] = ()


class SuccessPolicyRule(View, frozen=True):
    succeeded_indexes: str | None = None
    succeeded_count: int | None = None


class SuccessPolicy(View, frozen=True):
    rules: tuple[SuccessPolicyRule, ...] = ()


class JobSpec(View, frozen=True):
    parallelism: int | None = None
    completions: int | None = None
    active_deadline_seconds: int | None = None
    pod_failure_policy: PodFailurePolicy | None = None
    success_policy: SuccessPolicy | None = None
    backoff_limit: int | None = None
    backoff_limit_per_index: int | None = None
    max_failed_indexes: int | None = None
    selector: LabelSelector | None = None
    manual_selector: bool | None = None
    template: PodTemplateSpec = PodTemplateSpec()
    ttl_seconds_after_finished: int | None = None
    completion_mode: str | None = None
    suspend: bool | None = None
    pod_replacement_policy: str | None = None
    managed_by: str | None = None


class JobTemplateSpec(View, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: JobSpec = JobSpec()


class JobCondition(View, frozen=True):
    type: str = ""
    status: str = ""
    last_probe_time: str = ""
    last_transition_time: str = ""
    reason: str = ""
    message: str = ""


class UncountedTerminatedPods(View, frozen=True):
    succeeded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class JobStatus(View, frozen=True):
    conditions: tuple[JobCondition, ...] = ()
    start_time: str | None = None
    completion_time: str | None = None
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    terminating: int | None = None
    completed_indexes: str = ""
    failed_indexes: str | None = None
    uncounted_terminated_pods: UncountedTerminatedPods | None = None
    ready: int | None = None


class Job(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    spec: JobSpec = JobSpec()
    status: JobStatus = JobStatus()


UID_LABEL, NAME_LABEL = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
_FIXED = ("selector", "completionMode", "podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "managedBy")
_STATES = ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet")


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 2**31 - 1 if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    template = spec.setdefault("template", {})
    poddefaults.template(template)
    labels = (template.get("metadata") or {}).get("labels")
    if labels and not obj.setdefault("metadata", {}).get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    for rule in at(spec, "podFailurePolicy.rules") or ():
        for condition in rule.get("onPodConditions") or ():
            poddefaults.fill(condition, "status", "True")


def on_create(obj: Json) -> None:
    """The selector is the Job's uid, unless `manualSelector` leaves it to the author."""
    spec, metadata = obj["spec"], obj["metadata"]
    if spec.get("manualSelector"):
        return
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    uid = metadata.get("uid", "")
    for key, text in (("controller-uid", uid), ("job-name", metadata.get("name", ""))):
        labels.setdefault(key, text)
        labels.setdefault(f"batch.kubernetes.io/{key}", text)
    spec.setdefault("selector", {}).setdefault("matchLabels", {}).setdefault(UID_LABEL, uid)


def fields(obj: Json) -> dict[str, str]:
    return {"status.successful": str((obj.get("status") or {}).get("succeeded", 0))}


def status(obj: Json, now: float) -> str:
    held = {c.get("type") for c in at(obj, "status.conditions") or () if c.get("status") == "True"}
    for state in _STATES[:2]:
        if state in held:
            return state
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((state for state in _STATES if state in held), "Running")


def completions(obj: Json, now: float) -> str:
    spec, succeeded = obj.get("spec") or {}, at(obj, "status.succeeded") or 0
    if "completions" in spec:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def duration(obj: Json, now: float) -> str:
    started, ended = at(obj, "status.startTime"), at(obj, "status.completionTime")
    if not started:
        return ""
    return human_duration((seconds(ended) if ended else now) - seconds(started))


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = validate_spec("spec", spec)
    if spec.get("selector") is None:
        return [*found, causes.required("spec.selector")]
    return found + rules.label_selector("spec.selector", spec["selector"])


def validate_spec(path: str, spec: Json) -> list[Cause]:
    """The spec of a Job or of a CronJob's template; `path` is its own."""
    found = workloadrules.not_negative(
        spec, path, "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"
    )
    mode = spec.get("completionMode")
    if mode is not None:
        found += rules.one_of(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    found += workloadrules.not_negative(spec, path, "backoffLimitPerIndex", "maxFailedIndexes")
    found += jobrules.indexed(path, spec)
    found += jobrules.failure_policy(f"{path}.podFailurePolicy", spec)
    found += jobrules.replacement(f"{path}.podReplacementPolicy", spec)
    found += podrules.template(f"{path}.template", spec.get("template"))
    return found + jobrules.restarts(f"{path}.template.spec.restartPolicy", spec)


ORPHANED = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


def validate_update(new: Json, old: Json) -> list[Cause]:
    """What the Job runs is fixed; a suspended Job that never started may still get other resources and nodes."""
    now, before = new.get("spec") or {}, old.get("spec") or {}
    found: list[Cause] = []
    if before.get("completionMode") != "Indexed" or now.get("completions") != now.get("parallelism"):
        found += causes.immutable("spec.completions", now.get("completions"), before.get("completions"))
    for name in (*_FIXED, "template"):
        if name == "template" and before.get("suspend") and not at(old, "status.startTime"):
            continue
        found += causes.immutable(f"spec.{name}", now.get(name), before.get(name))
    return found


KIND = Kind(
    "batch",
    "v1",
    "Job",
    Job,
    defaults=defaults,
    warnings=warnings.workload,
    validate=validate,
    validate_update=validate_update,
    strategy=Strategy(
        status=True,
        generation=True,
        on_create=on_create,
        orphans_in=frozenset({("batch", "v1")}),
        orphan_warning=ORPHANED,
    ),
    columns=(
        NAME,
        column("Status", status, description="How far it is."),
        column("Completions", completions, description="Succeeded Pods of those needed."),
        column("Duration", duration, description="How long it has run."),
        AGE,
        *template_columns(),
    ),
    fields=fields,
    field_names=frozenset(("status.successful",)),
    needs_controller=True,
)
