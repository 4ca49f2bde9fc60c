"""The versions that 1.16 removed: extensions/v1beta1, apps/v1beta1 and apps/v1beta2.

Their objects look like those of apps/v1; what differs is what they filled in, which is why old manifests without a
selector work. Two fields that apps/v1 has no place for stay in annotations, as upstream keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import annotated, annotation, replaced, with_spec
from podling.api.kinds.versions import same_shape as same_shape_as

EXTENSIONS: Final = ("extensions", "v1beta1")
BETA_1: Final = ("apps", "v1beta1")
ALL: Final = frozenset({EXTENSIONS, BETA_1, ("apps", "v1beta2")})
HUB: Final = "apps/v1"
# The selector, which these versions let an update change.
SELECTOR: Final = frozenset({"spec.selector"})
ROLLBACK_TO: Final = "deprecated.deployment.rollback.to"
TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
NO_LIMIT: Final = 2**31 - 1
_WHOLE: Final = re.compile(r"-?[0-9]+")

Defaults = Callable[[Json], None]


def same_shape(version: str, default: Defaults, group: str = "apps") -> Conversion:
    """The conversion of a version whose objects look like those of apps/v1."""
    return same_shape_as(group, version, default, HUB, mutable=SELECTOR if group == "extensions" else frozenset())


def labels_of_template(obj: Json) -> None:
    """Selector and labels that are not given are those of the Pods."""
    spec = obj.setdefault("spec", {})
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if not labels:
        return
    if spec.get("selector") is None:
        spec["selector"] = {"matchLabels": dict(labels)}
    fill(obj.setdefault("metadata", {}), "labels", dict(labels))


def replicaset_defaults(obj: Json) -> None:
    obj.setdefault("spec", {}).setdefault("replicas", 1)
    labels_of_template(obj)


def deployment_defaults(obj: Json) -> None:
    """extensions/v1beta1: no deadline, every old ReplicaSet kept, one Pod at a time."""
    _deployment(obj, NO_LIMIT, NO_LIMIT, 1)


def deployment_defaults_of_apps(obj: Json) -> None:
    _deployment(obj, 2, 600, "25%")


def _deployment(obj: Json, history: int, deadline: int, step: int | str) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", history)
    spec.setdefault("progressDeadlineSeconds", deadline)
    strategy = spec.setdefault("strategy", {})
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", step)
        rolling.setdefault("maxSurge", step)
    labels_of_template(obj)


def daemonset_defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, "type", "OnDelete")
    if strategy["type"] == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("maxUnavailable", 1)
    labels_of_template(obj)


def statefulset_defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    fill(spec, "podManagementPolicy", "OrderedReady")
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    fill(strategy, "type", "OnDelete")
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        strategy["rollingUpdate"].setdefault("partition", 0)
    labels_of_template(obj)


def deployment(group: str, version: str, default: Defaults) -> Conversion:
    """With `spec.rollbackTo`, which became an annotation."""
    return with_spec(group, version, default, HUB, _rollback_kept, _rollback_told, mutable=SELECTOR)


def daemonset(group: str, version: str, default: Defaults) -> Conversion:
    """With `spec.templateGeneration`, which became an annotation."""
    return with_spec(group, version, default, HUB, _generation_kept, _generation_told, mutable=SELECTOR)


def _rollback_kept(obj: Json) -> Json:
    wanted = (obj.get("spec") or {}).get("rollbackTo")
    if wanted is None:
        return obj
    kept = annotated(obj, ROLLBACK_TO, str(wanted.get("revision", 0)))
    return kept | {"spec": replaced(obj["spec"], rollbackTo=None)}


def _rollback_told(obj: Json) -> Json:
    kept = annotation(obj, ROLLBACK_TO)
    if not _WHOLE.fullmatch(kept):
        return obj
    told = annotated(obj, ROLLBACK_TO, None)
    revision = {"revision": int(kept)} if int(kept) else {}
    return told | {"spec": {**(obj.get("spec") or {}), "rollbackTo": revision}}


def _generation_kept(obj: Json) -> Json:
    number = (obj.get("spec") or {}).get("templateGeneration")
    if not number:
        return obj
    return annotated(obj, TEMPLATE_GENERATION, str(number)) | {"spec": replaced(obj["spec"], templateGeneration=None)}


def _generation_told(obj: Json) -> Json:
    kept = annotation(obj, TEMPLATE_GENERATION)
    if not _WHOLE.fullmatch(kept):
        return obj
    told = annotated(obj, TEMPLATE_GENERATION, None)
    return told | {"spec": {**(obj.get("spec") or {}), "templateGeneration": int(kept)}}
