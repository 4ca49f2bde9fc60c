"""Structural schemas of CustomResourceDefinitions as what the rest of the house works with.

A version's `openAPIV3Schema` is compiled once into closures: pruning (`pruning.py`), defaulting (`defaulting.py`),
validation of values (`values.py`) and of rules (`rules.py`), and into a `Type` (`types.py`), so that decoding, patches
and apply meet a custom resource as they meet a built-in one. The schema itself has been found structural before
(`structural.py`), and its rules have been compiled and estimated (`rulecheck.py`).
"""

from podling.api.schema.custom.ratcheting import ratcheted
from podling.api.schema.custom.rules import ABSENT, BESIDE, ON_THE_LOOP, RATCHETED, Node, Overlong, compile_rules, judge
from podling.api.schema.custom.types import CustomType, custom_type
from podling.api.schema.custom.values import Finding, compile_values

__all__ = [
    "ABSENT",
    "BESIDE",
    "ON_THE_LOOP",
    "RATCHETED",
    "CustomType",
    "Finding",
    "Node",
    "Overlong",
    "compile_rules",
    "compile_values",
    "custom_type",
    "judge",
    "ratcheted",
]
