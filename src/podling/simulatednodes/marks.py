"""The labels and annotations by which simulated nodes and their Pods are known, and what they are called.

A Node is simulated because it says so: whoever creates one with the label gets it run, however it was made, and
nothing else has to be remembered.
"""

from __future__ import annotations

SIMULATED = "podling.dev/simulated"
"""Label of a node ("true") and key of the taint that keeps Pods from it that do not ask for it."""
POOL = "podling.dev/pool"
"""Label of a node: the pool it was made with."""
SILENT = "podling.dev/silent"
"""Annotation of a node ("true"): it renews nothing and its Pods stand still, as if its machine were gone."""
ROLE = "node-role.kubernetes.io/simulated"
VERSION = "v1.37.1+simulated"
RUNTIME = "simulated://1"
