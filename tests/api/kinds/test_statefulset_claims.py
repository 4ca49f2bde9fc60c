"""What a StatefulSet's claim templates mean for its Pod template, and what is looked at in them."""

from __future__ import annotations

import copy
from typing import Any

from podling.api.kinds.apps.statefulset import KIND

Json = dict[str, Any]
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def causes(mounts: str, *claims: Json, volumes: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Fields and messages for a set whose container mounts the volume of this name."""
    container = {"name": "c", "image": "x", "volumeMounts": [{"name": mounts, "mountPath": "/data"}]}
    pod = {"containers": [container], "volumes": [{"name": name, "emptyDir": {}} for name in volumes]}
    spec = {
        "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}, "spec": pod},
        "volumeClaimTemplates": list(claims),
    }
    body = {"metadata": {"name": "db", "namespace": "default"}, "spec": copy.deepcopy(spec)}
    KIND.defaults(body)
    return [(each.field, each.message) for each in KIND.validate(body)]


def template(name: str, **more: Any) -> Json:
    return {"metadata": {"name": name}, "spec": CLAIM | more}


def test_a_container_may_mount_what_is_claimed() -> None:
    assert causes("data", template("data")) == []


def test_a_claim_takes_the_place_of_a_volume_of_its_name_and_of_a_claim() -> None:
    assert causes("data", template("data"), template("data"), volumes=("data", "other")) == []


def test_a_volume_that_is_nowhere_is_missed() -> None:
    assert causes("date", template("data")) == [
        ("spec.template.spec.containers[0].volumeMounts[0].name", 'Not found: "date"')
    ]


def test_a_template_that_would_make_no_claim_is_refused() -> None:
    assert causes("data", template("data", accessModes=[])) == [
        (
            "spec.volumeClaimTemplates[0].spec.accessModes",
            "Required value: at least 1 access mode is required",
        )
    ]
