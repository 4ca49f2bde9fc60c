"""What the list calls "API operations": every verb of one resource, each with what has to come back.

A dozen behaviours of the list are this walk through another kind: found in discovery, created, read, listed, watched,
patched, replaced, deleted alone and as a collection; and where it has a status, that is read, patched and replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.conformance.kube import Json, Kube, Refused, Resource, names

VERBS = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}


def discovered(kube: Kube, resource: Resource) -> Json:
    """The resource as its version's discovery document shows it; its group is found in the list of groups."""
    group, _, version = resource.version.rpartition("/")
    if group:
        listed = {each["name"]: each for each in kube.call("GET", "/apis")["groups"]}
        assert resource.version in [each["groupVersion"] for each in listed[group]["versions"]]
        assert version in [each["version"] for each in kube.call("GET", f"/apis/{group}")["versions"]]
    document = kube.call("GET", f"/apis/{resource.version}" if group else f"/api/{version}")
    assert document["groupVersion"] == resource.version
    found: Json = next(each for each in document["resources"] if each["name"] == resource.plural)
    return found


def walk(
    kube: Kube, resource: Resource, make: Callable[[str], Json], status: Callable[[Json], Any] | None = None
) -> None:
    """`make` gives a body for a name; `status` changes the status of what was read, so that it can be told again."""
    assert set(discovered(kube, resource)["verbs"]) >= VERBS
    label = f"walk-{resource.plural}"
    made = [resource.create(labelled(make(f"{label}-{number}"), label)) for number in range(3)]
    first = made[0]["metadata"]["name"]
    assert all(each["metadata"]["uid"] for each in made)

    assert resource.get(first)["metadata"]["uid"] == made[0]["metadata"]["uid"]
    listed = resource.list(labelSelector=f"walk={label}")
    assert names(listed["items"]) == names(made)
    assert set(names(resource.everywhere().items(labelSelector=f"walk={label}"))) == set(names(made))

    with resource.watch(labelSelector=f"walk={label}", resourceVersion=listed["metadata"]["resourceVersion"]) as watch:
        patched = resource.patch(first, {"metadata": {"annotations": {"patched": "yes"}}})
        assert patched["metadata"]["annotations"]["patched"] == "yes"
        updated = resource.change(first, lambda body: body["metadata"]["annotations"].update(updated="yes"))
        assert updated["metadata"]["annotations"].items() >= {"patched": "yes", "updated": "yes"}.items()
        assert updated["metadata"]["resourceVersion"] != patched["metadata"]["resourceVersion"]
        watch.until("MODIFIED", lambda body: body["metadata"]["annotations"].get("patched") == "yes")
        watch.until("MODIFIED", lambda body: body["metadata"]["annotations"].get("updated") == "yes")
        if status is not None:
            walk_status(resource, first, status)
        resource.delete(first)
        watch.until("DELETED", lambda body: body["metadata"]["name"] == first)

    assert refusal(lambda: resource.get(first)) == (404, "NotFound")
    assert len(resource.items(labelSelector=f"walk={label}")) == 2
    resource.delete_all(labelSelector=f"walk={label}")
    resource.settled(lambda found: not found, labelSelector=f"walk={label}")


def walk_status(resource: Resource, name: str, change: Callable[[Json], Any]) -> None:
    """The status is written through its own path, and nothing else is."""
    before = resource.get(name, "status")
    assert before["metadata"]["name"] == name
    replaced = resource.change(name, change, "status")
    wanted = {"status": replaced.get("status", {})}
    change(wanted)
    assert replaced["status"] == wanted["status"]
    patched = resource.patch(name, {"metadata": {"annotations": {"status": "patched"}}}, subresource="status")
    assert patched["metadata"]["annotations"]["status"] == "patched"
    assert patched["status"] == replaced["status"]
    assert patched.get("spec") == before.get("spec")


def labelled(body: Json, label: str) -> Json:
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "labels": {**metadata.get("labels", {}), "walk": label}}}


def refusal(call: Callable[[], Any]) -> tuple[int, str]:
    """(code, reason) of a call that has to be refused."""
    found = refused(call)
    return found.code, found.reason


def refused(call: Callable[[], Any]) -> Refused:
    try:
        answer = call()
    except Refused as found:
        return found
    raise AssertionError(f"was not refused: {answer}")
