"""Volumes of kind emptyDir, as a container sees them."""

from __future__ import annotations

import pytest

from tests.conformance.containers.pods import finished, pod
from tests.conformance.kube import Kube


@pytest.mark.conformance(
    "[sig-storage] EmptyDir volumes volume on default medium should have the correct mode "
    "[LinuxOnly] [Conformance] [NodeConformance]"
)
def test_everybody_may_write_to_an_empty_directory(kube: Kube, namespace: str) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    body = pod("p", "stat -c %a /v", container=mounts, volumes=[{"name": "v", "emptyDir": {}}])
    assert finished(kube, namespace, body).strip() == "777"
