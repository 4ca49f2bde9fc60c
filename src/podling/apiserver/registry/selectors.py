"""Label and field selectors of a request as an `Interest` of the watch cache.

Equalities become the part the cache indexes; inequalities and sets become one remaining test.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from podling.api import fields, labels
from podling.api.errors import BadRequest
from podling.api.objects import Head
from podling.storage.interest import Interest

Test = Callable[[Head], bool]
METADATA = frozenset({"metadata.name", "metadata.namespace"})


@lru_cache(maxsize=256)
def interest_of(
    namespace: str,
    name: str,
    label_text: str,
    field_text: str,
    known: frozenset[str],
    renamed: frozenset[tuple[str, str]] = frozenset(),
) -> Interest:
    """The selection a request asks for; `known` are the kind's selectable fields, `renamed` those that the request's
    version calls otherwise, with the kind's name of each. Raises BadRequest."""
    try:
        by_label, by_field = labels.parse(label_text), fields.parse(field_text)
        by_field = by_field.renamed(dict(renamed)) if renamed else by_field
        by_field.check(known | METADATA, generic=not known)
    except (labels.BadSelector, fields.BadSelector) as error:
        raise BadRequest(str(error)) from error
    equal_labels, tests = _labels(by_label)
    equal_fields, more = _fields(by_field)
    namespace = namespace or equal_fields.pop("metadata.namespace", "")
    name = name or equal_fields.pop("metadata.name", "")
    # A path that names one object and a selector that names it again: both have to hold.
    again = [fields.Requirement(each, equal_fields.pop(each)) for each in sorted(METADATA & {*equal_fields})]
    tests += [*more, *map(_field_test, again)]
    return Interest(namespace, name, equal_fields, equal_labels, _all(tests) if tests else None)


def _labels(selector: labels.Selector) -> tuple[dict[str, str], list[Test]]:
    equal: dict[str, str] = {}
    tests: list[Test] = []
    for one in selector.requirements:
        if one.operator in ("=", "==", "in") and len(one.values) == 1 and one.key not in equal:
            equal[one.key] = one.values[0]
        else:
            tests.append(_label_test(one))
    return equal, tests


def _fields(selector: fields.Selector) -> tuple[dict[str, str], list[Test]]:
    equal: dict[str, str] = {}
    tests: list[Test] = []
    for one in selector.requirements:
        if one.value and not one.negated and one.field not in equal:
            equal[one.field] = one.value
        else:
            tests.append(_field_test(one))
    return equal, tests


def _label_test(one: labels.Requirement) -> Test:
    return lambda head: one.matches(head.labels)


def _field_test(one: fields.Requirement) -> Test:
    if one.field == "metadata.name":
        return lambda head: (head.name == one.value) is not one.negated
    if one.field == "metadata.namespace":
        return lambda head: (head.namespace == one.value) is not one.negated
    return lambda head: one.matches(head.fields)


def _all(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda head: all(test(head) for test in tests)
