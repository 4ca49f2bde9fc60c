"""sig-api-machinery: watches tell what happens, from where the client asks, to all in the same order."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube, Resource, Watch


def config_map(name: str, label: str, **data: str) -> Json:
    return {"metadata": {"name": name, "labels": {"watch": label}}, "data": data}


def version(body: Json) -> str:
    found: str = body["metadata"]["resourceVersion"]
    return found


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on configmaps"
    " [Conformance]"
)
def test_a_watch_tells_additions_changes_and_deletions_of_what_its_selector_meets(kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    with (
        maps.watch(labelSelector="watch=a") as only_a,
        maps.watch(labelSelector="watch=b") as only_b,
        maps.watch(labelSelector="watch in (a,b)") as both,
    ):
        maps.create(config_map("one", "a"))
        maps.patch("one", {"data": {"mutation": "1"}})
        maps.patch("one", {"data": {"mutation": "2"}})
        maps.delete("one")
        maps.create(config_map("two", "b"))
        maps.delete("two")
        a = [("ADDED", None), ("MODIFIED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]
        b = [("ADDED", None), ("DELETED", None)]
        assert [seen(only_a) for _ in a] == a
        assert [seen(only_b) for _ in b] == b
        assert [seen(both) for _ in a + b] == a + b


def seen(watch: Watch) -> tuple[str, str | None]:
    kind, body = watch.next()
    return kind, body.get("data", {}).get("mutation")


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should be able to start watching from a specific resource version [Conformance]"
)
def test_a_watch_begins_behind_the_version_it_names(kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    maps.create(config_map("one", "x"))
    first = maps.patch("one", {"data": {"mutation": "1"}})
    maps.patch("one", {"data": {"mutation": "2"}})
    maps.delete("one")
    with maps.watch(resourceVersion=version(first)) as watch:
        assert seen(watch) == ("MODIFIED", "2")
        assert seen(watch) == ("DELETED", "2")


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should be able to restart watching from the last resource version observed by the"
    " previous watch [Conformance]"
)
def test_a_watch_that_ended_is_taken_up_where_it_was(kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    with maps.watch() as watch:
        watch.until("ADDED", lambda body: body["metadata"]["name"] == "kube-root-ca.crt")
        maps.create(config_map("one", "x"))
        maps.patch("one", {"data": {"mutation": "1"}})
        watch.until("ADDED", lambda body: body["metadata"]["name"] == "one")
        last = watch.until("MODIFIED")
    maps.patch("one", {"data": {"mutation": "2"}})
    maps.delete("one")
    with maps.watch(resourceVersion=version(last)) as watch:
        assert seen(watch) == ("MODIFIED", "2")
        assert seen(watch) == ("DELETED", "2")


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the requirements of the"
    " selector [Conformance]"
)
def test_an_object_that_leaves_the_selector_is_deleted_for_the_watch(kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    with maps.watch(labelSelector="watch=yes") as watch:
        maps.create(config_map("one", "yes"))
        maps.patch("one", {"data": {"mutation": "1"}})
        maps.patch("one", {"metadata": {"labels": {"watch": "no"}}})
        assert [seen(watch)[0] for _ in range(3)] == ["ADDED", "MODIFIED", "DELETED"]
        maps.patch("one", {"data": {"mutation": "2"}})
        maps.patch("one", {"metadata": {"labels": {"watch": "yes"}}})
        maps.patch("one", {"data": {"mutation": "3"}})
        maps.delete("one")
        assert [seen(watch) for _ in range(3)] == [("ADDED", "2"), ("MODIFIED", "3"), ("DELETED", "3")]


@pytest.mark.conformance(
    "[sig-api-machinery] Watchers should receive events on concurrent watches in same order [Conformance]"
)
def test_all_watches_see_one_order(kube: Kube, namespace: str) -> None:
    maps = kube.at("v1/configmaps", namespace)
    since = version(maps.list())
    written = [version(each) for each in busy(maps)]
    for start in [since, *written[:-1]]:
        behind = [each for each in written if int(each) > int(start)]
        with maps.watch(resourceVersion=start, labelSelector="watch=order") as watch:
            assert [version(watch.next()[1]) for _ in behind] == behind


def busy(maps: Resource) -> list[Json]:
    """Creations, changes and deletions, mixed."""
    done = []
    for number in range(6):
        done.append(maps.create(config_map(f"m{number}", "order")))
        done.append(maps.patch(f"m{number // 2}", {"data": {"round": str(number)}}))
    return done
