"""What is wrong with objects, and with changes of objects, in the words kubectl users know."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.api.kinds import golden, objects

Json = dict[str, Any]


def cases(name: str) -> list[Json]:
    return yaml.safe_load((objects.HERE / "cases" / f"{name}.yaml").read_text())


def test_every_error_is_told_in_upstreams_words() -> None:
    lines: list[str] = []
    for case in cases("errors"):
        obj = objects.base(case["kind"], **case["set"])
        lines += [f"{case['kind']}: {case['title']}", *objects.said(objects.findings(obj))]
    golden.check("errors", lines)


def test_every_forbidden_change_is_told_in_upstreams_words() -> None:
    lines: list[str] = []
    for case in cases("updates"):
        old = objects.base(case["kind"], **case.get("old", {}))
        new = objects.base(case["kind"], **case.get("new", {}))
        lines += [f"{case['kind']}: {case['title']}", *objects.said(objects.update_findings(new, old))]
    golden.check("updates", lines)


@pytest.mark.parametrize("kind", sorted(objects.bases()))
def test_a_plain_object_is_valid(kind: str) -> None:
    assert objects.findings(objects.base(kind)) == []


@pytest.mark.parametrize("kind", sorted(objects.bases()))
def test_an_object_may_be_written_back_unchanged(kind: str) -> None:
    obj = objects.base(kind)
    assert objects.update_findings(objects.created(obj), obj) == []


def test_a_variable_from_a_file_names_a_key_and_a_file_in_a_volume_of_the_pod() -> None:
    def said(**ref: str) -> list[str]:
        env = [{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v", "path": "a.env", "key": "A", **ref}}}]
        volumes = [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]
        body = objects.base("Pod", **{"spec.containers.0.env": env, "spec.volumes": volumes})
        return objects.said(objects.findings(body))

    assert said() == ["    (nothing)"]
    where = "    spec.containers[0].env[0].valueFrom.fileKeyRef"
    assert said(path="/a.env") == [f'{where}.path: Invalid value: "/a.env": must be a relative path']
    assert said(path="b/../a.env") == [f"""{where}.path: Invalid value: "b/../a.env": must not contain '..'"""]
    assert said(key="") == [f"{where}.key: Required value"]
    assert said(volumeName="w") == [f'{where}.volumeName: Not found: "w"']
    no_folder = "referenced volume must be of type emptyDir"
    assert said(volumeName="c") == [f'{where}.volumeName: Invalid value: "c": {no_folder}']
    (wrong,) = said(key="a=b")
    assert wrong.startswith(f'{where}.key: Invalid value: "a=b":')


def test_a_config_map_holds_a_mebibyte() -> None:
    assert objects.findings(objects.base("ConfigMap", data={"a": "x" * 1024 * 1024})) == []
    (cause,) = objects.findings(objects.base("ConfigMap", data={"a": "x" * 1024 * 1024 + "y"}))
    assert cause.message == "Too long: may not be more than 1048576 bytes"


def test_annotations_hold_a_quarter_of_a_mebibyte() -> None:
    obj = objects.base("Pod", **{"metadata.annotations": {"a": "x" * 256 * 1024}})
    (cause,) = objects.findings(obj)
    assert (cause.field, cause.message) == (
        "metadata.annotations",
        "Too long: may not be more than 262144 bytes",
    )


def test_a_slice_holds_a_thousand_endpoints() -> None:
    endpoints = [{"addresses": ["10.244.0.5"]}] * 1001
    (cause,) = objects.findings(objects.base("EndpointSlice", endpoints=endpoints))
    assert cause.message == "Too many: 1001: must have at most 1000 items"


def test_a_container_that_ended_for_good_does_not_run_again() -> None:
    entry = objects.resource("v1", "Pod")
    old = objects.created(objects.base("Pod", **{"spec.restartPolicy": "Never"}))
    new = objects.created(objects.base("Pod", **{"spec.restartPolicy": "Never"}))
    old["status"]["containerStatuses"] = [{"name": "web", "state": {"terminated": {"exitCode": 1}}}]
    new["status"]["containerStatuses"] = [{"name": "web", "state": {"running": {}}}]
    (cause,) = entry.validate_update(new, old, "status")
    assert cause.field == "status.containerStatuses[0].state"


def test_an_ephemeral_container_may_be_added_and_never_changed() -> None:
    entry = objects.resource("v1", "Pod")
    plain = objects.created(objects.base("Pod"))
    debugger = {"name": "debug", "image": "busybox"}
    added = objects.created(objects.base("Pod", **{"spec.ephemeralContainers": [debugger]}))
    assert entry.validate_update(added, plain, "ephemeralcontainers") == []
    (cause,) = entry.validate_update(plain, added, "ephemeralcontainers")
    assert cause.message == 'Forbidden: existing ephemeral containers "debug" may not be removed\n'


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        (
            "StatefulSet",
            {"replicas": 1, "readyReplicas": 2, "availableReplicas": -1},
            [
                "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0",
                "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
            ],
        ),
        (
            "DaemonSet",
            {"numberReady": -1},
            ["status.numberReady: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            "ReplicationController",
            {"replicas": 1, "availableReplicas": 2},
            ["status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas"],
        ),
        (
            "Service",
            {"loadBalancer": {"ingress": [{"ip": "x", "ipMode": "VIP"}, {"hostname": "1.2.3.4"}]}},
            [
                'status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "LoadBalancer"',
                'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or '
                "2001:db8::ffff)",
                'status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP '
                "address",
            ],
        ),
        (
            "Ingress",
            {"loadBalancer": {"ingress": [{"hostname": "1.2.3.4"}]}},
            [
                'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP '
                "address",
            ],
        ),
    ],
)
def test_a_status_that_cannot_be_is_refused(kind: str, status: Json, told: list[str]) -> None:
    old = objects.created(objects.base(kind))
    found = objects.resource(old["apiVersion"], kind).validate_update({**old, "status": status}, old, "status")
    assert [f"{cause.field}: {cause.message}" for cause in found] == told
