"""From what a node counted to what is used: two samples of running totals make a rate. Pure.

A container that started between the samples has used what it used since its start; one that was restarted counts
anew. What was measured once only and long ago says nothing yet and is left out, as metrics-server does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from podling.env import parse_rfc3339

SHORTEST = 1.0
"""Seconds of life before a new container's usage is told."""


class Total(msgspec.Struct, frozen=True):
    """CPU seconds used since `since` (wall clock), working set in bytes."""

    since: float
    cpu: float
    memory: int


class Sample(msgspec.Struct, frozen=True):
    """A node's counters at a moment (wall clock, seconds); containers by Pod's uid and name."""

    at: float
    containers: Mapping[tuple[str, str], Total] = {}
    node: Total | None = None


class Usage(msgspec.Struct, frozen=True):
    """CPU in cores, memory in bytes, over the last `window` seconds."""

    cpu: float
    memory: int
    window: float


class Reading(msgspec.Struct, frozen=True):
    """What is used on a node, measured at `at`."""

    at: float
    containers: Mapping[tuple[str, str], Usage]
    node: Usage


def sample_of(summary: Mapping[str, Any], now: float) -> Sample:
    """A kubelet's `/stats/summary`, asked for at `now`."""
    containers = {
        (pod["podRef"]["uid"], each["name"]): _total(each)
        for pod in summary.get("pods") or ()
        for each in pod.get("containers") or ()
    }
    node = summary.get("node") or {}
    # The node's counters are those of its control group, which outlives the kubelet that tells its own start.
    return Sample(now, containers, _total({**node, "startTime": None}) if "cpu" in node else None)


def between(before: Sample, after: Sample) -> Reading:
    """What was used from one sample to the other."""
    used = {
        key: usage
        for key, total in after.containers.items()
        if (usage := _rate(before.at, before.containers.get(key), after.at, total)) is not None
    }
    whole = _rate(before.at, before.node, after.at, after.node) if after.node is not None else None
    return Reading(after.at, used, whole or _sum(used.values(), after.at - before.at))


def _rate(began: float, before: Total | None, ended: float, after: Total) -> Usage | None:
    if before is not None and before.since == after.since and before.cpu <= after.cpu:
        return _usage(after.cpu - before.cpu, after.memory, ended - began)
    if after.since >= began - SHORTEST and ended - after.since >= SHORTEST:
        return _usage(after.cpu, after.memory, ended - after.since)
    return None


def _usage(cpu: float, memory: int, window: float) -> Usage | None:
    return Usage(cpu / window, memory, window) if window > 0 else None


def _sum(used: Iterable[Usage], window: float) -> Usage:
    every = tuple(used)
    return Usage(sum(each.cpu for each in every), sum(each.memory for each in every), window)


def _total(counted: Mapping[str, Any]) -> Total:
    since = counted.get("startTime")
    cpu = (counted.get("cpu") or {}).get("usageCoreNanoSeconds", 0) / 1e9
    memory = (counted.get("memory") or {}).get("workingSetBytes", 0)
    return Total(parse_rfc3339(since) if since else 0.0, cpu, memory)
