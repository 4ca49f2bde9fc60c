"""JSON Patch (RFC 6902) with upstream's limits: at most 10,000 operations, and at most 3 MiB of growth by `copy`.

The operations are those of the `jsonpatch` library, applied in place; the complaints are in the words of the Go
library upstream uses. The second limit matters: forty copies of a thing into itself are a terabyte.
"""

from __future__ import annotations

from typing import Any, Final

import jsonpatch
import orjson
from jsonpointer import JsonPointer, JsonPointerException

from podling.api.errors import BadRequest, Invalid, RequestEntityTooLarge
from podling.api.patch.values import copied

MOST_OPERATIONS: Final = 10_000
MOST_COPIED: Final = 3 * 1024 * 1024
OPERATIONS: Final = frozenset({"add", "remove", "replace", "move", "copy", "test"})


def json_patch(target: Any, operations: Any) -> Any:
    """The patched target, which is changed in place (and is spoilt when this raises).

    Raises BadRequest when `operations` is no list of operations, RequestEntityTooLarge, and Invalid when one of them
    does not apply.
    """
    if not isinstance(operations, list):
        kind = "object" if isinstance(operations, dict) else "value"
        raise BadRequest(f"json: cannot unmarshal {kind} into Go value of type jsonpatch.Patch")
    if len(operations) > MOST_OPERATIONS:
        raise RequestEntityTooLarge(
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(operations)}"
        )
    copied = 0
    for operation in operations:
        if not isinstance(operation, dict):
            raise BadRequest("json: cannot unmarshal value into Go value of type jsonpatch.Operation")
        if operation.get("op") == "copy":
            copied += _size(target, operation.get("from"))
            if copied > MOST_COPIED:
                raise _refused(
                    f"Unable to complete the copy, the accumulated size increase of copy is {copied},"
                    f" exceeding the limit {MOST_COPIED}"
                )
        target = _apply(target, operation)
    return target


def _refused(why: str) -> Invalid:
    return Invalid(f"the server rejected our request due to an error in our request: {why}")


def _size(target: Any, pointer: Any) -> int:
    try:
        return len(orjson.dumps(JsonPointer(pointer).resolve(target)))
    except (JsonPointerException, TypeError):
        return 0  # applying it says what is wrong


def _apply(target: Any, operation: dict[str, Any]) -> Any:
    op, path = operation.get("op"), operation.get("path")
    if op not in OPERATIONS:
        raise _refused(f"Unexpected kind: {op if op is not None else 'unknown'}")
    if not isinstance(path, str):
        raise _refused(f"{op} operation missing path field")
    if op in ("move", "copy") and not isinstance(operation.get("from"), str):
        raise _refused(f"{op} operation missing from field")
    if op in ("add", "replace", "test") and "value" not in operation:
        operation = {**operation, "value": None}
    if "value" in operation:
        operation = {**operation, "value": copied(operation["value"])}
    try:
        return jsonpatch.JsonPatch([operation]).apply(target, in_place=True)
    except jsonpatch.JsonPatchTestFailed:
        raise _refused(f"testing value {path} failed: test failed") from None
    except (jsonpatch.JsonPatchException, JsonPointerException, TypeError, KeyError, IndexError, ValueError):
        raise _refused(f'{op} operation does not apply: doc is missing path: "{path}": missing value') from None
