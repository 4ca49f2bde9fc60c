"""JSON Merge Patch (RFC 7386), and the patch that leads from one value to another."""

from __future__ import annotations

from typing import Any

from podling.api.errors import BadRequest
from podling.api.patch.values import copied


def merge_patch(target: Any, patch: Any) -> Any:
    """The patched object; the target is changed, the patch is not. Raises BadRequest for a patch that is no object."""
    if not isinstance(patch, dict):
        raise BadRequest("Invalid JSON Patch")
    return merge(target, copied(patch))


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386's MergePatch: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    out = target if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            out[key] = merge(out.get(key), value)
        else:
            out[key] = value
    return out


def diff(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The smallest patch with `merge(old, patch) == new`, for objects without nulls."""
    out: dict[str, Any] = dict.fromkeys(key for key in old if key not in new)
    for key, value in new.items():
        before = old.get(key)
        if key not in old or type(before) is not type(value):
            out[key] = value
        elif isinstance(value, dict) and isinstance(before, dict):
            if inner := diff(before, value):
                out[key] = inner
        elif before != value:
            out[key] = value
    return out
