"""The words of a control loop: selectors, batches, tolerations, availability."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api.kinds.core.node import Taint
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.scheduling import Toleration
from podling.api.kinds.meta import LabelSelector
from podling.client.resources import PODS
from podling.env import rfc3339
from podling.reconcile import pods
from podling.reconcile.batches import MOST, slow_start
from podling.reconcile.selectors import matches, select
from podling.reconcile.tolerating import tolerates
from podling.reconcile.view import Snapshot

SELECTORS = [
    ("everything", {}, True),
    ("a label", {"matchLabels": {"app": "web"}}, True),
    ("another value", {"matchLabels": {"app": "db"}}, False),
    ("In", {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}, True),
    ("NotIn", {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
    ("NotIn of an absent label", {"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["y"]}]}, True),
    ("Exists", {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
    ("DoesNotExist", {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    (
        "both must hold",
        {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
        False,
    ),
]


@pytest.mark.parametrize(
    ("selector", "expected"), [case[1:] for case in SELECTORS], ids=[case[0] for case in SELECTORS]
)
def test_selectors(selector: dict[str, Any], expected: bool) -> None:
    typed = msgspec.convert(selector, LabelSelector)
    assert matches(typed, {"app": "web"}) == expected
    view = Snapshot([(PODS, {"kind": "Pod", "metadata": {"name": "p", "namespace": "x", "labels": {"app": "web"}}})])
    assert bool(select(view.of(PODS), "x", typed)) == expected
    assert select(view.of(PODS), "y", typed) == []


@given(st.integers(0, 2000))
def test_batches_double_and_leave_nothing_out(count: int) -> None:
    batches = [list(batch) for batch in slow_start(range(count))]
    assert [item for batch in batches for item in batch] == list(range(count))
    sizes = [len(batch) for batch in batches]
    assert all(size == min(2**turn, MOST) for turn, size in enumerate(sizes[:-1]))
    assert not sizes or sizes[-1] <= min(2 ** (len(sizes) - 1), MOST)


TAINT = Taint(key="k", value="5", effect="NoSchedule")
TOLERATIONS = [
    ("the same", Toleration(key="k", operator="Equal", value="5", effect="NoSchedule"), True),
    ("any effect", Toleration(key="k", value="5"), True),
    ("another value", Toleration(key="k", value="6"), False),
    ("another effect", Toleration(key="k", value="5", effect="NoExecute"), False),
    ("the key exists", Toleration(key="k", operator="Exists"), True),
    ("everything", Toleration(operator="Exists"), True),
    ("another key", Toleration(key="x", operator="Exists"), False),
    ("less than", Toleration(key="k", operator="Lt", value="6"), True),
    ("not greater", Toleration(key="k", operator="Gt", value="6"), False),
    ("no number", Toleration(key="k", operator="Lt", value="many"), False),
]


@pytest.mark.parametrize(
    ("toleration", "expected"), [case[1:] for case in TOLERATIONS], ids=[c[0] for c in TOLERATIONS]
)
def test_tolerations(toleration: Toleration, expected: bool) -> None:
    assert tolerates(toleration, TAINT) == expected


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("ready_for", "least", "expected"),
    [(None, 0, None), (0.0, 0, 0.0), (10.0, 30, 20.0), (30.0, 30, 0.0), (300.0, 30, 0.0)],
    ids=["unready", "at once", "in a while", "just now", "long since"],
)
def test_availability(ready_for: float | None, least: int, expected: float | None) -> None:
    condition = {
        "type": "Ready",
        "status": "False" if ready_for is None else "True",
        "lastTransitionTime": rfc3339(NOW - (ready_for or 0.0)),
    }
    pod = msgspec.convert({"status": {"conditions": [condition]}}, Pod)
    assert pods.available_in(pod, least, NOW) == expected
