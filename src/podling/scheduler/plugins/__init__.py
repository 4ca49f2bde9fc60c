"""One pure file per plugin, found by its constant `PLUGIN`; `ORDER` is the order in which a node is asked.

The first refusal is the one that is told, so the order is meaning (upstream's default order).
"""

from __future__ import annotations

import importlib
from functools import cache

from podling.scheduler.plugin import Plugin

ORDER = (
    "nodeunschedulable",
    "nodename",
    "tainttoleration",
    "nodeaffinity",
    "nodeports",
    "noderesourcesfit",
    "volumerestrictions",
    "nodevolumelimits",
    "volumebinding",
    "volumezone",
    "dynamicresources",
    "podtopologyspread",
    "interpodaffinity",
    "noderesourcesbalanced",
    "imagelocality",
)


@cache
def default_plugins() -> tuple[Plugin, ...]:
    return tuple(importlib.import_module(f"podling.scheduler.plugins.{name}").PLUGIN for name in ORDER)
