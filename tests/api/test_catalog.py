"""What is served, in which order, and what is said about it."""

from __future__ import annotations

import pytest

from podling.api.catalog import Catalog
from tests.api.kinds import golden

BOOK, CURRENT = Catalog.load("book"), Catalog.load("current")


def test_groups_come_in_upstreams_order_with_the_preferred_version_first() -> None:
    assert [(group.name, *group.versions) for group in BOOK.groups][:8] == [
        ("", "v1"),
        ("apiregistration.k8s.io", "v1", "v1beta1"),
        ("apps", "v1", "v1beta2", "v1beta1"),
        ("events.k8s.io", "v1", "v1beta1"),
        ("authentication.k8s.io", "v1", "v1beta1"),
        ("authorization.k8s.io", "v1", "v1beta1"),
        ("autoscaling", "v2", "v1", "v2beta2", "v2beta1"),
        ("batch", "v1", "v1beta1", "v2alpha1"),
    ]


def test_the_current_profile_serves_nothing_that_was_removed() -> None:
    assert CURRENT.lookup("apps", "v1beta2", "replicasets") is None
    assert not [entry for entry in CURRENT.resources if entry.removed]
    served_by_book = {(entry.api_version, entry.plural) for entry in BOOK.resources if not entry.removed}
    assert {(entry.api_version, entry.plural) for entry in CURRENT.resources} == served_by_book


def test_neither_profile_serves_alphas_or_todays_betas() -> None:
    for entry in (*BOOK.resources, *CURRENT.resources):
        assert entry.removed or not entry.stored or ("alpha" not in entry.version and "beta" not in entry.version)


def test_a_removed_version_has_no_short_names_and_says_since_when() -> None:
    entry = BOOK.lookup("apps", "v1beta2", "replicasets")
    assert entry is not None
    assert (entry.short_names, entry.categories, entry.singular) == ((), (), "replicaset")
    assert entry.deprecated == (
        "apps/v1beta2 ReplicaSet is deprecated in v1.9+, unavailable in v1.16+; use apps/v1 ReplicaSet"
    )
    assert set(entry.subresources) == {"status", "scale"}
    assert BOOK.hub(entry) is BOOK.lookup("apps", "v1", "replicasets")


@pytest.mark.parametrize("plural", ["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"])
def test_all_kinds_of_apps_v1beta2_are_served(plural: str) -> None:
    entry = BOOK.lookup("apps", "v1beta2", plural)
    assert entry is not None and not entry.is_hub


def test_endpoints_are_deprecated_in_upstreams_words() -> None:
    entry = BOOK.by_kind("", "v1", "Endpoints")
    assert entry is not None
    assert entry.deprecated == "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


def test_each_stored_kind_has_one_place_in_the_store() -> None:
    places = [(entry.storage_group, entry.hub_plural) for entry in BOOK.stored]
    assert len(places) == len(set(places))
    assert {(entry.storage_group, entry.hub_plural) for entry in BOOK.resources if entry.stored} == set(places)


def test_both_events_are_one_resource_in_the_store() -> None:
    entry = BOOK.lookup("events.k8s.io", "v1", "events")
    assert entry is not None
    assert (entry.storage_group, BOOK.hub(entry).api_version) == ("", "v1")


def test_reviews_and_bindings_are_answered_and_not_stored() -> None:
    not_stored = {entry.kind for entry in BOOK.resources if not entry.stored}
    assert {"TokenReview", "SelfSubjectAccessReview", "Binding", "ComponentStatus"} <= not_stored
    assert "Pod" not in not_stored


def test_a_kind_without_controller_warns_until_one_acts_on_it() -> None:
    def unattended(catalog: Catalog, kind: str) -> str:
        entry = catalog.by_kind("apps", "v1", kind)
        assert entry is not None
        return entry.unattended

    assert "apps/v1 Deployment" in unattended(BOOK, "Deployment")
    assert unattended(Catalog.load("book", {("apps", "Deployment")}), "Deployment") == ""
    assert not [entry for entry in BOOK.resources if entry.unattended and entry.kind in ("ConfigMap", "Secret", "Role")]


def test_a_kind_without_rules_is_checked_by_the_type_table() -> None:
    entry = BOOK.by_kind("resource.k8s.io", "v1", "DeviceTaintRule")
    assert entry is not None and not entry.declaration.validates
    (cause,) = entry.validate({"metadata": {"name": "x"}, "spec": {"taint": {"key": "a", "effect": "Shrug"}}})
    assert cause.field == "spec.taint.effect"
    assert cause.message == 'Unsupported value: "Shrug": supported values: "NoExecute", "NoSchedule", "None"'


def test_every_subresource_names_its_own_kind() -> None:
    entry = BOOK.lookup("apps", "v1", "deployments")
    assert entry is not None
    scale = entry.subresources["scale"]
    assert (scale.group, scale.version, scale.kind) == ("autoscaling", "v1", "Scale")


def test_the_listing_of_all_resources_is_this() -> None:
    """What `kubectl api-resources` lists, and the columns `kubectl get` prints; a new kind shows here."""
    lines = []
    for entry in BOOK.resources:
        short = f" ({', '.join(entry.short_names)})" if entry.short_names else ""
        lines.append(f"{entry.api_version} {entry.plural}{short}: {entry.kind}")
        for sub in entry.subresources.values():
            own = f"{sub.group}/{sub.version}".lstrip("/")
            lines.append(f"    /{sub.name}: {sub.kind}{'' if own == entry.api_version else f' of {own}'}")
        if entry.is_hub:
            shown = [column.name + ("*" if column.priority else "") for column in entry.declaration.columns]
            lines.append(f"    columns: {', '.join(shown)}")
        else:
            lines.append(f"    kept as {BOOK.hub(entry).api_version}")
    golden.check("resources", lines)
