"""sig-api-machinery: the kinds that shape the API itself can be operated with every verb."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube
from tests.conformance.operations import walk, walk_status


def condition(body: Json) -> None:
    """Adds one to those of the controller, which would say its own again."""
    status = body.setdefault("status", {})
    status["conditions"] = [
        *(each for each in status.get("conditions", ()) if each["type"] != "Tried"),
        {
            "type": "Tried",
            "status": "True",
            "reason": "Conformance",
            "message": "tried",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        },
    ]


@pytest.mark.conformance(
    "[sig-api-machinery] API priority and fairness should support FlowSchema API operations [Conformance]"
)
def test_flow_schemas(kube: Kube) -> None:
    def flow_schema(name: str) -> Json:
        subject = {"kind": "User", "user": {"name": "nobody-in-particular"}}
        rule = {"subjects": [subject], "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}
        return {
            "metadata": {"name": name},
            "spec": {
                "matchingPrecedence": 10000,
                "priorityLevelConfiguration": {"name": "global-default"},
                "distinguisherMethod": {"type": "ByUser"},
                "rules": [rule],
            },
        }

    walk(kube, kube.at("flowcontrol.apiserver.k8s.io/v1/flowschemas"), flow_schema, condition)


@pytest.mark.conformance(
    "[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations"
    " [Conformance]"
)
def test_priority_levels(kube: Kube) -> None:
    def level(name: str) -> Json:
        limited = {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}
        return {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}

    walk(kube, kube.at("flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"), level, condition)


@pytest.mark.conformance(
    "[sig-api-machinery] StorageVersionMigration CRUD Tests storagemigration.k8s.io/v1 StorageVersionMigration"
    " [Conformance]"
)
def test_storage_version_migrations(kube: Kube) -> None:
    def migration(name: str) -> Json:
        return {
            "metadata": {"name": name},
            "spec": {"resource": {"group": "nothing.example.com", "resource": "nothings"}},
        }

    migrations = kube.at("storagemigration.k8s.io/v1/storageversionmigrations")
    walk(kube, migrations, migration)
    migrations.create(migration("with-status"))
    # Its controller says once that it runs, then looks out for the resource.
    migrations.until("with-status", lambda body: body.get("status", {}).get("conditions"))
    walk_status(migrations, "with-status", condition)
    migrations.delete("with-status")
