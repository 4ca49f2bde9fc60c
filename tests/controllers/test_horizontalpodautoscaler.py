"""What the horizontal autoscaler does about metrics, and what it says when there are none."""

from __future__ import annotations

from typing import Any

import pytest

from podling.api.errors import ApiError, Forbidden, NotFound
from podling.api.patch.merge import merge_patch
from podling.client.resources import DEPLOYMENTS, HORIZONTALPODAUTOSCALERS, PODS
from podling.controllers import horizontalpodautoscaler as autoscaler
from podling.env import rfc3339
from podling.reconcile.action import Action, Ask, Update
from tests.controllers.world import NOW, World, pod

Json = dict[str, Any]
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
LABELS = {"app": "web"}


class Scene:
    """A Deployment with ready Pods that each ask for 100m, and an autoscaler of it. `usage`: millicores of each."""

    def __init__(self, usage: list[int | None], *, replicas: int | None = None, **spec: Any) -> None:
        self.world = World()
        self.replicas = len(usage) if replicas is None else replicas
        self.world.add(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": {"replicas": self.replicas}})
        self.usage: dict[str, int] = {}
        for number, used in enumerate(usage):
            self.pod(f"p{number}", used)
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        wanted = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 10, "metrics": [CPU], **spec}
        self.world.add(HORIZONTALPODAUTOSCALERS, {"metadata": {"name": "web"}, "spec": wanted})
        self.world.answers = self.answer
        self.world.refuse = self.written
        self.broken: dict[str, ApiError] = {}
        self.refusal: ApiError | None = None
        self.more: dict[str, Json] = {}

    def pod(self, name: str, used: int | None, **more: Any) -> Json:
        container = {"name": "c", "image": "x", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}
        made = self.world.add(PODS, pod(name, LABELS, containers=[container], **more))
        made["status"]["startTime"] = rfc3339(NOW - 3600)
        if used is not None:
            self.usage[name] = used
        return made

    def answer(self, question: Ask) -> Json | ApiError:
        for part, error in self.broken.items():
            if part in question.path:
                return error
        for path, found in self.more.items():
            if question.path == path:
                return found
        if question.path.endswith("/deployments/web/scale"):
            status = {"replicas": self.replicas, "selector": "app=web"}
            return {"kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": self.replicas}, "status": status}
        if question.path == "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods":
            assert question.query == (("labelSelector", "app=web"),)
            return {"items": [self.metrics(name, used) for name, used in self.usage.items()]}
        return NotFound("the server could not find the requested resource")

    def metrics(self, name: str, used: int) -> Json:
        amounts = {"cpu": f"{used}m", "memory": "32Mi"}
        at = {"timestamp": rfc3339(self.world.now), "window": "15s"}
        return {"metadata": {"name": name}, **at, "containers": [{"name": "c", "usage": amounts}]}

    def written(self, action: Action) -> ApiError | None:
        """Writes of the scale come true here, everything else in the world."""
        if isinstance(action, Update) and action.subresource == "scale":
            if self.refusal is not None:
                return self.refusal
            self.replicas = action.body["spec"]["replicas"]
            body = self.world.get(DEPLOYMENTS, "web")
            action.body.clear()
            action.body.update(merge_patch(body, {"spec": {"replicas": self.replicas}}))
        return None

    def look(self, after: float = 15.0, failure: ApiError | None = None) -> None:
        """One look, so many seconds after the last one."""
        self.world.now += after
        body = self.world.get(HORIZONTALPODAUTOSCALERS, "web")
        self.world.reconcile(autoscaler.CONTROLLER, HORIZONTALPODAUTOSCALERS, body["metadata"], failure)

    @property
    def status(self) -> Json:
        found: Json = self.world.get(HORIZONTALPODAUTOSCALERS, "web")["status"]
        return found

    def condition(self, type: str) -> tuple[str, str, str]:
        found = next(each for each in self.status["conditions"] if each["type"] == type)
        return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize(
    ("usage", "replicas"),
    [([100, 100], 4), ([54, 54], 2), ([45, 45, 45], 3), ([76], 2), ([500], 4), ([200] * 4, 8), ([500] * 6, 10)],
    ids=["double", "within", "tolerance", "up", "at-most-four", "at-most-double", "maximum"],
)
def test_more_load_means_more_replicas(usage: list[int | None], replicas: int) -> None:
    scene = Scene(usage)
    scene.look()
    assert scene.replicas == replicas


def test_what_was_done_is_told_as_upstream_tells_it() -> None:
    scene = Scene([100, 100])
    scene.look()
    reason = "cpu resource utilization (percentage of request) above target"
    assert scene.world.told == [("SuccessfulRescale", f"New size: 4; reason: {reason}")]
    assert (scene.status["currentReplicas"], scene.status["desiredReplicas"]) == (2, 4)
    assert scene.status["lastScaleTime"] == rfc3339(NOW + 15)
    current = {"averageUtilization": 100, "averageValue": "100m"}
    assert scene.status["currentMetrics"] == [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    assert scene.condition("AbleToScale") == (
        "True",
        "SucceededRescale",
        "the HPA controller was able to update the target scale to 4",
    )
    assert scene.condition("ScalingActive")[2] == (
        "the HPA was able to successfully calculate a replica count from cpu resource utilization "
        "(percentage of request)"
    )
    assert scene.condition("ScalingLimited")[:2] == ("False", "DesiredWithinRange")
    assert scene.condition("ScaledToZero")[:2] == ("False", "NotScaledToZero")


def test_less_load_is_believed_after_five_minutes() -> None:
    scene = Scene([5, 5, 5, 5])
    scene.look()
    assert scene.replicas == 4
    assert scene.condition("AbleToScale")[1] == "ScaleDownStabilized"
    for _ in range(19):
        scene.look()
    assert scene.replicas == 4
    scene.look()
    assert scene.replicas == 1
    assert scene.world.told == [("SuccessfulRescale", "New size: 1; reason: All metrics below target")]


def test_it_looks_every_fifteen_seconds_whatever_changes_and_at_once_at_another_spec() -> None:
    scene = Scene([50])
    scene.look()
    before = len(scene.world.done)
    scene.usage["p0"] = 500
    scene.look(5)
    assert (scene.replicas, len(scene.world.done), scene.world.again[-1]) == (1, before, 10.0)
    scene.world.get(HORIZONTALPODAUTOSCALERS, "web")["spec"]["maxReplicas"] = 3
    scene.look(1)
    assert scene.replicas == 3
    assert scene.condition("ScalingLimited")[:2] == ("True", "TooManyReplicas")


@pytest.mark.parametrize(("replicas", "wanted"), [(12, 10), (1, 2)])
def test_bounds_hold_whatever_the_metrics_say(replicas: int, wanted: int) -> None:
    scene = Scene([50] * 2, replicas=replicas, minReplicas=2)
    scene.look()
    assert scene.replicas == wanted


def test_zero_replicas_are_a_pause() -> None:
    scene = Scene([100], replicas=0)
    scene.look()
    assert scene.replicas == 0
    assert scene.condition("ScalingActive") == (
        "False",
        "ScalingDisabled",
        "scaling is disabled since the replica count of the target is zero",
    )


def test_pods_that_start_do_not_count_as_loaded() -> None:
    scene = Scene([100])
    scene.pod("starting", 1000, ready=False)["status"]["startTime"] = rfc3339(NOW - 5)
    scene.replicas = 2
    scene.look()
    assert scene.replicas == 2


def test_pods_without_metrics_are_taken_for_idle_on_the_way_up_and_busy_on_the_way_down() -> None:
    up = Scene([100, 100, None, None])
    up.look()
    assert up.replicas == 4
    down = Scene([10, 10, None])
    down.look(400)
    down.look(400)
    assert down.replicas == 3


def test_averages_of_memory_and_of_one_container() -> None:
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "16Mi"}}}
    scene = Scene([10, 10], metrics=[memory])
    scene.look()
    assert scene.replicas == 4
    assert scene.world.told[-1] == ("SuccessfulRescale", "New size: 4; reason: memory resource above target")
    source = {"name": "cpu", "container": "c", "target": {"averageUtilization": 50}}
    one = Scene([100, 100], metrics=[{"type": "ContainerResource", "containerResource": source}])
    one.look()
    assert one.replicas == 4
    assert one.status["currentMetrics"][0]["containerResource"]["container"] == "c"


def test_no_metrics_is_said_as_upstream_says_it() -> None:
    scene = Scene([None])
    scene.look()
    why = "failed to get cpu utilization: unable to get metrics for resource cpu: " + (
        "no metrics returned from resource metrics API"
    )
    text = f"the HPA was unable to compute the replica count: {why}"
    assert scene.condition("ScalingActive") == ("False", "FailedGetResourceMetric", text)
    assert scene.world.told == [
        ("FailedGetResourceMetric", why),
        ("FailedComputeMetricsReplicas", f"invalid metrics (1 invalid out of 1), first error is: {why}"),
    ]
    assert scene.world.again == [15.0]
    assert (scene.status["currentReplicas"], scene.status["desiredReplicas"]) == (1, 0)


def test_pods_without_requests_cannot_be_measured_in_percent() -> None:
    scene = Scene([100])
    scene.world.get(PODS, "p0")["spec"]["containers"][0]["resources"] = {}
    scene.look()
    said = scene.condition("ScalingActive")[2]
    assert said.endswith("failed to get cpu utilization: missing request for cpu in container c of Pod p0")


def test_custom_metrics_without_an_adapter_are_said_to_be_missing() -> None:
    metric = {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"averageValue": "10"}}}
    scene = Scene([50], metrics=[metric])
    scene.look()
    assert scene.condition("ScalingActive")[1:] == (
        "FailedGetPodsMetric",
        "the HPA was unable to compute the replica count: unable to get metric hits: unable to fetch metrics from "
        "custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
    )
    external = {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"averageValue": "5"}}}
    other = Scene([50], metrics=[external])
    other.look()
    assert other.condition("ScalingActive")[1:] == (
        "FailedGetExternalMetric",
        "the HPA was unable to compute the replica count: unable to get external metric default/queue/nil: unable to "
        "fetch metrics from external metrics API: the server could not find the requested resource",
    )


def test_one_metric_that_fails_keeps_what_is_there_but_not_from_growing() -> None:
    metric = {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"averageValue": "10"}}}
    down = Scene([5, 5, 5], metrics=[CPU, metric])
    down.look(400)
    down.look(400)
    assert (down.replicas, down.condition("ScalingActive")[0]) == (3, "False")
    up = Scene([100], metrics=[metric, CPU])
    up.look()
    assert (up.replicas, up.condition("ScalingActive")[1]) == (2, "ValidMetricFound")


EXTERNAL = {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"value": "10"}}}


def test_an_idle_queue_scales_to_zero_and_a_full_one_back() -> None:
    scene = Scene([50, 50], minReplicas=0, metrics=[EXTERNAL])
    path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue"
    scene.more[path] = {"items": [{"value": "0"}]}
    for _ in range(21):
        scene.look()
    assert scene.replicas == 0
    assert scene.condition("ScaledToZero")[:2] == ("True", "ScaledToZero")
    scene.look()
    scene.more[path] = {"items": [{"value": "15"}, {"value": "10"}]}
    scene.look()
    assert scene.replicas == 3
    assert scene.condition("ScaledToZero")[0] == "False"
    assert scene.status["currentMetrics"][0]["external"]["current"] == {"value": "25"}


def test_an_objects_metric_is_asked_of_the_adapter() -> None:
    described = {"apiVersion": "v1", "kind": "Service", "name": "web"}
    source = {"metric": {"name": "hits"}, "describedObject": described, "target": {"type": "Value", "value": "100"}}
    scene = Scene([50, 50], metrics=[{"type": "Object", "object": source}])
    scene.more["/apis/custom.metrics.k8s.io"] = {"preferredVersion": {"version": "v1beta2"}}
    path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/services/web/hits"
    scene.more[path] = {"items": [{"value": "200"}]}
    scene.look()
    assert scene.replicas == 4
    assert scene.world.told[-1][1] == "New size: 4; reason: Service metric hits above target"


def policies(*found: tuple[str, int, int], **more: Any) -> Json:
    told = [{"type": kind, "value": value, "periodSeconds": period} for kind, value, period in found]
    return {"policies": told, "selectPolicy": "Max", **more}


def test_policies_limit_how_much_is_added_in_a_period() -> None:
    behavior = {"scaleUp": policies(("Pods", 2, 60), stabilizationWindowSeconds=0), "scaleDown": policies()}
    scene = Scene([500] * 2, behavior=behavior)
    scene.look()
    assert (scene.replicas, scene.condition("ScalingLimited")[1]) == (4, "ScaleUpLimit")
    scene.look()
    assert scene.replicas == 4
    scene.look(60)
    assert scene.replicas == 6


@pytest.mark.parametrize(
    ("down", "replicas"),
    [
        (policies(("Percent", 50, 60), stabilizationWindowSeconds=0), 4),
        (policies(("Percent", 50, 60), ("Pods", 1, 60), stabilizationWindowSeconds=0, selectPolicy="Min"), 7),
        (policies(("Percent", 100, 60), stabilizationWindowSeconds=0, selectPolicy="Disabled"), 8),
    ],
    ids=["half", "the least", "never"],
)
def test_policies_limit_how_much_is_removed(down: Json, replicas: int) -> None:
    up = policies(("Percent", 100, 15), stabilizationWindowSeconds=0)
    scene = Scene([1] * 8, behavior={"scaleUp": up, "scaleDown": down})
    scene.look()
    assert scene.replicas == replicas


def test_a_window_before_growing_waits_for_the_lowest_recommendation() -> None:
    up = policies(("Percent", 100, 15), stabilizationWindowSeconds=60)
    scene = Scene([50], behavior={"scaleUp": up, "scaleDown": policies(("Percent", 100, 15))})
    scene.look()
    scene.usage["p0"] = 100
    scene.look()
    assert (scene.replicas, scene.condition("AbleToScale")[1]) == (1, "ScaleUpStabilized")
    scene.look(61)
    assert scene.replicas == 2


def test_a_tolerance_of_its_own_for_each_direction() -> None:
    up = policies(("Percent", 100, 15), stabilizationWindowSeconds=0, tolerance="0.5")
    scene = Scene([70, 70], behavior={"scaleUp": up, "scaleDown": policies(("Percent", 100, 15))})
    scene.look()
    assert scene.replicas == 2
    scene.usage = {"p0": 80, "p1": 80}
    scene.look()
    assert scene.replicas == 4


@pytest.mark.parametrize("other", ["web", "twin"], ids=["the same target", "the same Pods"])
def test_two_autoscalers_of_the_same_pods_do_nothing_and_say_why(other: str) -> None:
    scene = Scene([100])
    selector = {"matchLabels": LABELS}
    scene.world.add(DEPLOYMENTS, {"metadata": {"name": "twin"}, "spec": {"selector": selector}})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": other}
    scene.world.add(HORIZONTALPODAUTOSCALERS, {"metadata": {"name": "rival"}, "spec": {"scaleTargetRef": target}})
    scene.look()
    text = "pods by selector app=web are controlled by multiple HPAs: [{rival default} {web default}]"
    assert scene.replicas == 1
    assert scene.condition("ScalingActive") == ("False", "AmbiguousSelector", text)
    assert scene.world.told == [("AmbiguousSelector", text)]


def test_a_target_that_cannot_be_found_is_said() -> None:
    scene = Scene([50])
    scene.broken["/scale"] = NotFound('deployments.apps "web" not found')
    scene.look()
    why = 'deployments.apps "web" not found'
    text = f"the HPA controller was unable to get the target's current scale: {why}"
    assert scene.condition("AbleToScale") == ("False", "FailedGetScale", text)
    assert scene.world.told == [("FailedGetScale", why)]


def test_a_scale_that_cannot_be_written_is_said_and_tried_again() -> None:
    scene = Scene([100])
    scene.refusal = Forbidden("no")
    scene.look()
    assert scene.replicas == 1
    scene.look(1, failure=scene.refusal)
    assert scene.condition("AbleToScale") == (
        "False",
        "FailedUpdateScale",
        "the HPA controller was unable to update the target scale: no",
    )
    scene.refusal = None
    scene.look(1, failure=Forbidden("no"))
    assert scene.replicas == 2
