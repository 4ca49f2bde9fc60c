"""What the walkthrough may take: a start, new endpoints, fifty Pods, and an idle cluster.

All of it is held against a clock, so it is no part of `make test`.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.process import cpu_seconds, memory_mib
from tests.e2e.harness import Cluster, eventually, pod
from tests.seen.watching import Watch

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timed]
Show = Callable[[str, object, object], None]


def rules(node: int) -> str:
    """The rules of the node's own network namespace, as nft lists them."""
    nft = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin") or "nft"
    look = ["nsenter", f"--net=/proc/{node}/ns/net", nft, "list", "ruleset"]
    return subprocess.run(look, capture_output=True, text=True, check=True).stdout


def test_new_endpoints_are_in_the_rules_within_50_ms(cluster: Cluster, show: Show) -> None:
    cluster.podling("proxy-mode", "nftables").ok()
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "quick"},
        "spec": {"clusterIP": "10.96.77.77", "ports": [{"port": 80}]},
    }
    cluster.create(service)
    node = cluster.status()["node"]["pid"]
    figures = []
    for number in range(5):
        address = f"10.244.0.{200 + number}"
        endpoint = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"quick-{number}", "labels": {"kubernetes.io/service-name": "quick"}},
            "addressType": "IPv4",
            "ports": [{"port": 80, "protocol": "TCP", "name": ""}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        }
        created = cluster.create(endpoint)
        answered = time.monotonic()
        eventually(lambda address=address: address in rules(node), 5, f"{address} in the rules")
        figures.append(time.monotonic() - answered)
        assert created.code == 0
    median = statistics.median(figures)
    show(
        "new endpoints are in the rules",
        f"{1000 * median:.0f} ms after kubectl returned (median of 5, nft's own listing included)",
        "50 ms",
    )
    cluster.kubectl("delete", "service", "quick").ok()
    cluster.kubectl("delete", "endpointslices", "-l", "kubernetes.io/service-name=quick").ok()
    assert median <= 0.05


def test_a_start_takes_two_seconds_at_most(state: Path, show: Show) -> None:
    figures = []
    for number in range(3):
        cluster = Cluster(state, f"quick-{number}")
        try:
            figures.append(cluster.start().seconds)
        finally:
            cluster.delete()
    show("start to a Ready node with DNS answering", f"{statistics.median(figures):.2f} s (median of 3)", "2 s")
    assert statistics.median(figures) <= 2.0


def test_an_idle_cluster_costs_next_to_nothing(state: Path, show: Show) -> None:
    with Cluster(state, "idle") as idle:
        status = idle.status()
        pids = [status[name]["pid"] for name in ("server", "node", "keeper", "warden")]
        time.sleep(5)  # what a start leaves to be done is not idling
        before = cpu_seconds(pids)
        time.sleep(60)
        share = (cpu_seconds(pids) - before) / 60
        memory = memory_mib(pids)
    show(
        "idle, server, node, keeper and warden together",
        f"{100 * share:.2f} % of a core, {memory:.0f} MiB",
        "1 %, 150 MiB",
    )
    assert share <= 0.01
    assert memory <= 150


READY = '{{.metadata.name}} {{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}'


def test_fifty_pods_are_ready_in_time(cluster: Cluster, show: Show) -> None:
    """Watched, not asked: `kubectl wait` allows itself five requests a second."""
    figures = []
    for round_ in range(3):
        pods = [pod(f"many-{round_}-{number}", "sleep", "infinity") for number in range(50)]
        for each in pods:
            each["metadata"]["labels"] = {"app": "many"}
        with Watch(cluster, "pods", "-l", "app=many", template=READY) as seen:
            began = time.time()
            cluster.create(*pods)
            eventually(
                lambda seen=seen: len({text for _, text in seen.lines if text.endswith("True")}) == 50,
                60,
                "50 are ready",
            )
            figures.append(max(moment for moment, text in seen.lines if text.endswith("True")) - began)
        cluster.kubectl("delete", "pod", "-l", "app=many", "--grace-period=0", "--force", "--wait=false").ok()
        eventually(lambda: not cluster.pods("app=many"), 60, "no Pod left")
        eventually(lambda: not cluster.containers("many-"), 60, "their containers are gone")
    show("50 Pods Ready", f"{statistics.median(figures):.2f} s (median of 3)", "2.5 s")
    assert statistics.median(figures) <= 2.5
