"""Patches by their content type, ready to be applied to an object.

Server-side apply is not among them: it is no change of one object alone (`endpoints/apply.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from podling.api.errors import BadRequest, UnsupportedMediaType
from podling.api.patch import json_patch, merge_patch, strategic_merge_patch
from podling.api.schema import Type
from podling.api.schema.gojson import complaint

Json = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Patch(NamedTuple):
    """`apply` takes an object (changed in place or not) to the patched one and raises ApiError."""

    apply: Callable[[Json], Json]
    touched: frozenset[str] | None = None
    """The fields at the top that it may change; None: any."""


def parse_patch(content_type: str, body: bytes, type_: Type | None) -> Patch:
    """Raises UnsupportedMediaType for other patches, BadRequest for a body that is no patch."""
    kind = content_type.partition(";")[0].strip().lower()
    strategic = type_ is not None and type_.strategic
    if kind not in (JSON_PATCH, MERGE_PATCH, STRATEGIC) or (kind == STRATEGIC and not strategic):
        known = [STRATEGIC] if strategic else []
        accepted = [JSON_PATCH, MERGE_PATCH, *known, *([APPLY] if type_ is not None else [])]
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
        )
    try:
        patch = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"error decoding patch: {complaint(body)}") from error
    if kind == JSON_PATCH:
        return Patch(lambda obj: json_patch(obj, patch))
    if kind == MERGE_PATCH:
        return Patch(lambda obj: merge_patch(obj, patch), _touched(patch))
    assert type_ is not None
    return Patch(lambda obj: strategic_merge_patch(obj, patch, type_), _touched(patch))


def _touched(patch: Any) -> frozenset[str] | None:
    """A strategic patch may begin with directives (`$patch`), which concern the whole."""
    if not isinstance(patch, dict) or any(key.startswith("$") for key in patch):
        return None
    return frozenset(patch)
