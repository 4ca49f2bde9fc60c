"""Strategic merge patch: a merge patch that knows which lists are maps in disguise.

The rules are those of the contributor documentation "Strategic Merge Patch": lists with patchStrategy `merge` are
merged by their merge key (or as sets), and directives inside the patch say what a plain merge cannot: `$patch:
replace|delete|merge`, `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`. Elements that only
the patch has come first unless an order says otherwise, as upstream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from podling.api.errors import BadRequest
from podling.api.patch.values import copied
from podling.api.schema.types import Field, Type

PATCH: Final = "$patch"
RETAIN: Final = "$retainKeys"
ORDER: Final = "$setElementOrder/"
DELETE: Final = "$deleteFromPrimitiveList/"

Json = dict[str, Any]


def strategic_merge_patch(target: Json, patch: Any, type_: Type) -> Json:
    """The patched object of a kind; the target is changed, the patch is not. Raises BadRequest."""
    if not isinstance(patch, dict):
        raise BadRequest("Invalid JSON Patch")
    return _merge_object(target, copied(patch), type_)


def _merge_object(old: Json, patch: Json, type_: Type | None) -> Json:
    directive = patch.pop(PATCH, None)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise BadRequest(f"unknown patch type: {directive} in map: {go_text(patch)}")
    _retain_keys(old, patch)
    _merge_ordered(old, patch, type_)
    for key, value in patch.items():
        if key.startswith(DELETE):
            name = key.removeprefix(DELETE)
            if isinstance(old.get(name), list):
                old[name] = [item for item in old[name] if item not in _listing(value, key)]
        elif value is None:
            old.pop(key, None)
        else:
            old[key] = _merge_value(old, key, value, type_)
    return old


def _merge_value(old: Json, key: str, value: Any, type_: Type | None) -> Any:
    before = old.get(key)
    field = type_.fields.get(key) if type_ is not None else None
    if isinstance(value, dict) and isinstance(before, dict):
        if strategy(field) == "replace":
            return without_directives(value)
        return _merge_object(before, value, _below(type_, field))
    if isinstance(value, list) and isinstance(before, list):
        return _merge_list(before, value, field)
    return without_directives(value)


def _below(type_: Type | None, field: Field | None) -> Type | None:
    """The type of a nested object: the field's, or inside a map the map's element."""
    if field is not None:
        return field.type
    return type_.element if type_ is not None else None


def strategy(field: Field | None) -> str:
    """`merge`, `replace` or nothing; retainKeys is a matter of the patch's own directive."""
    if field is None:
        return ""
    return next((one for one in field.patch_strategy.split(",") if one != "retainKeys"), "")


def _retain_keys(old: Json, patch: Json) -> None:
    if RETAIN not in patch:
        return
    keep = patch.pop(RETAIN)
    if not isinstance(keep, list) or any(key not in keep for key in patch if not key.startswith("$")):
        raise BadRequest("invalid patch format of retainKeys")
    for key in [key for key in old if key not in keep]:
        del old[key]


def _listing(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRequest(f"invalid patch format of {key.partition('/')[0].removeprefix('$')} list")
    return value


def _merge_ordered(old: Json, patch: Json, type_: Type | None) -> None:
    """Lists with a `$setElementOrder`; they are taken out of the patch."""
    for directive in [key for key in patch if key.startswith(ORDER)]:
        order = _listing(patch.pop(directive), directive)
        name = directive.removeprefix(ORDER)
        field = type_.fields.get(name) if type_ is not None else None
        key = field.patch_merge_key if field is not None else ""
        before, change = old.get(name), patch.get(name)
        if change is not None:
            _check_order(_listing(change, directive), order, key)
        if before is None and change is None:
            continue
        patch.pop(name, None)
        if before is None:
            merged = without_directives(change)
        elif change is None:
            merged = before
        else:
            merged = _merge_list(list(before), change, field)
        old[name] = _arrange(merged, order, before or [], key)


def _check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """The elements of the patch have to stand in the order list, in its order."""
    at = 0
    for item in patch:
        if isinstance(item, dict) and item.get(PATCH) in ("delete", "replace"):
            continue
        while at < len(order) and _identity(order[at], key) != _identity(item, key):
            at += 1
        if at == len(order):
            raise BadRequest(f"The order in patch list:\n{patch}\n doesn't match {ORDER[:-1]} list:\n{order}\n")


def _identity(item: Any, key: str) -> Any:
    """What makes an element of a merged list the same: its merge key, or itself."""
    return item.get(key) if key and isinstance(item, dict) else item


def _merge_list(old: list[Any], patch: list[Any], field: Field | None) -> list[Any]:
    if field is None or strategy(field) != "merge":
        out: list[Any] = without_directives(patch)
        return out
    if not any(isinstance(item, dict) for item in (*old, *patch)):
        merged = list(old)
        merged += [item for at, item in enumerate(patch) if item not in old and item not in patch[:at]]
        return _arrange(merged, patch, old, "")
    key = field.patch_merge_key
    if not key:
        raise BadRequest(f"cannot merge lists without merge key for {field.type.go}")
    server = list(old)
    rest, replaced = _special_elements(old, patch, key)
    if replaced:
        return rest
    for item in rest:
        same = next((at for at, one in enumerate(old) if _identity(one, key) == item[key]), None)
        if same is None:
            old.append(without_directives(item))
        else:
            old[same] = _merge_object(old[same], item, field.type.element)
    return _arrange(old, rest, server, key)


def _special_elements(old: list[Any], patch: list[Any], key: str) -> tuple[list[Any], bool]:
    """The ordinary elements of a list patch, after its `$patch: delete`s are done; True: they replace the list."""
    rest, replaced = [], False
    for item in patch:
        if not isinstance(item, dict):
            raise BadRequest(f"cannot merge a list of {type(item).__name__} by {key}")
        directive = item.get(PATCH)
        if directive == "replace":
            replaced = True
        elif directive == "delete":
            old[:] = [one for one in old if _identity(one, key) != _key_of(item, key)]
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        elif directive is not None:
            raise BadRequest(f"unknown patch type: {directive} in map: {go_text(item)}")
        else:
            _key_of(item, key)
            rest.append(item)
    return (without_directives(rest) if replaced else rest), replaced


def _key_of(item: Json, key: str) -> Any:
    if key not in item:
        raise BadRequest(f"map: {go_text(item)} does not contain declared merge key: {key}")
    return item[key]


def _arrange(merged: list[Any], order: Sequence[Any], server: Sequence[Any], key: str) -> list[Any]:
    """Ordered elements in the order given, the server's own ones in between where they stood."""
    wanted = [_identity(item, key) for item in order]
    stood = [_identity(item, key) for item in server]
    ours = [item for item in merged if _identity(item, key) in wanted]
    ours.sort(key=lambda item: wanted.index(_identity(item, key)))
    theirs = [item for item in merged if _identity(item, key) not in wanted]
    out = []
    while ours and theirs:
        left, right = _identity(theirs[0], key), _identity(ours[0], key)
        first = left in stood and right in stood and stood.index(left) < stood.index(right)
        out.append((theirs if first else ours).pop(0))
    return out + theirs + ours


def without_directives(value: Any) -> Any:
    """A value that is new, as it is stored: no directives, no nulls, no elements that were to be deleted."""
    if isinstance(value, dict):
        if value.get(PATCH) == "delete":
            return {}
        return {
            key: without_directives(item)
            for key, item in value.items()
            if item is not None and key not in (PATCH, RETAIN) and not key.startswith((ORDER, DELETE))
        }
    if isinstance(value, list):
        return [without_directives(one) for one in value if not (isinstance(one, dict) and one.get(PATCH) == "delete")]
    return value


def go_text(value: Any) -> str:
    """A JSON value as Go prints it: `map[image:x ports:[80 81]]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(each)}' for key, each in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    return "<nil>" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
