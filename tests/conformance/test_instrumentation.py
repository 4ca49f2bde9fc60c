"""sig-instrumentation: events of both groups are kept, changed, and deleted; they are the same objects."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, names
from tests.conformance.operations import refused


def core_event(name: str, namespace: str, **labels: str) -> Json:
    return {
        "metadata": {"name": name, "labels": labels},
        "message": "This is a test event",
        "reason": "Test",
        "type": "Normal",
        "count": 1,
        "involvedObject": {"namespace": namespace, "kind": "Pod", "name": "p"},
    }


def event(name: str, namespace: str, **labels: str) -> Json:
    return {
        "metadata": {"name": name, "labels": labels},
        "regarding": {"namespace": namespace, "kind": "Pod", "name": "p"},
        "eventTime": "2017-09-19T13:49:16.000000Z",
        "note": "This is a test event",
        "type": "Normal",
        "action": "Do",
        "reason": "Test",
        "reportingController": "test-controller",
        "reportingInstance": "test-node",
    }


@pytest.mark.conformance("[sig-instrumentation] Events should manage the lifecycle of an event [Conformance]")
def test_the_life_of_an_event(kube: Kube, namespace: str) -> None:
    events = kube.at("v1/events", namespace)
    events.create(core_event("e", namespace, constant=namespace))
    found = events.everywhere().items(labelSelector=f"constant={namespace}")
    assert [each["metadata"]["name"] for each in found] == ["e"]
    assert events.patch("e", {"message": "patched"}, "strategic-merge")["message"] == "patched"
    assert events.get("e")["message"] == "patched"
    series = {"count": 100, "lastObservedTime": "2014-01-01T00:00:00.000000Z"}
    events.change("e", lambda body: body.update(series=series))
    assert events.get("e")["series"] == series
    events.delete("e")
    assert refused(lambda: events.get("e")).code == 404


@pytest.mark.conformance("[sig-instrumentation] Events should delete a collection of events [Conformance]")
def test_events_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    events = kube.at("v1/events", namespace)
    for name in ("one", "two", "three"):
        events.create(core_event(name, namespace, many="yes"))
    assert len(events.items(labelSelector="many=yes")) == 3
    events.delete_all(labelSelector="many=yes")
    assert events.items(labelSelector="many=yes") == []


@pytest.mark.conformance("[sig-instrumentation] Events API should delete a collection of events [Conformance]")
def test_events_of_the_newer_group_are_deleted_as_a_collection(kube: Kube, namespace: str) -> None:
    events = kube.at("events.k8s.io/v1/events", namespace)
    for name in ("one", "two", "three"):
        events.create(event(name, namespace, many="yes"))
    assert len(events.items(labelSelector="many=yes")) == 3
    events.delete_all(labelSelector="many=yes")
    assert events.items(labelSelector="many=yes") == []


@pytest.mark.conformance(
    "[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed"
    " [Conformance]"
)
def test_an_event_of_the_newer_group(kube: Kube, namespace: str) -> None:
    events, core = kube.at("events.k8s.io/v1/events", namespace), kube.at("v1/events", namespace)
    made = events.create(event("e", namespace, constant=namespace))
    assert (made["note"], made["regarding"]["name"]) == ("This is a test event", "p")
    assert core.get("e")["message"] == "This is a test event"
    assert names(events.everywhere().items(labelSelector=f"constant={namespace}")) == ["e"]
    assert names(events.items(fieldSelector="reportingController=test-controller")) == ["e"]
    series = {"count": 2, "lastObservedTime": "2014-01-01T00:00:00.000000Z"}
    patched = events.patch("e", {"series": series}, "strategic-merge")
    assert patched["series"] == series
    updated = events.change("e", lambda body: body["series"].update(count=100))
    assert events.get("e")["series"]["count"] == updated["series"]["count"] == 100
    events.delete("e")
    assert events.items(labelSelector=f"constant={namespace}") == []
