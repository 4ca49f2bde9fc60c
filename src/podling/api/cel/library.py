"""All functions, found in one place: the standard's and Kubernetes' libraries.

The list of Kubernetes' libraries is the documentation's ("Common Expression Language in Kubernetes", CEL libraries).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podling.api.cel import operators
from podling.api.cel.function import Function
from podling.api.cel.functions import addresses, amounts, authorization, formats, lists, moments, optionals, texts, urls

FUNCTIONS: Final[tuple[Function, ...]] = (
    *operators.FUNCTIONS,
    *texts.FUNCTIONS,
    *moments.FUNCTIONS,
    *optionals.FUNCTIONS,
    *lists.FUNCTIONS,
    *urls.FUNCTIONS,
    *addresses.FUNCTIONS,
    *amounts.FUNCTIONS,
    *formats.FUNCTIONS,
    *authorization.FUNCTIONS,
)
BY_NAME: Final[Mapping[str, Function]] = {function.name: function for function in FUNCTIONS}
