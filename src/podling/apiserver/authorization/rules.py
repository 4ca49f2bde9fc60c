"""What a rule allows, and which rules are worth others: pure functions of values (documentation, "Using RBAC").

`*` stands for all verbs, groups, resources with their subresources, and URLs; `*/scale` for that subresource of all
resources; a URL that ends in `*` for all that begin so. Names of resources stand for themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from podling.api.kinds.rbac.views import PolicyRule
from podling.apiserver.authorization.question import Question

ALL = "*"


def allows(rule: PolicyRule, question: Question) -> bool:
    """Whether the rule is a yes."""
    if question.path:
        return _has(rule.verbs, question.verb) and any(
            url_matches(url, question.path) for url in rule.non_resource_urls
        )
    return concerns(rule, question) and (not rule.resource_names or question.name in rule.resource_names)


def concerns(rule: PolicyRule, question: Question) -> bool:
    """Whether the rule is a yes for some name at least; never for questions about a path."""
    return (
        _has(rule.verbs, question.verb)
        and _has(rule.api_groups, question.group)
        and _resource_matches(rule.resources, question.combined, question.subresource)
    )


def url_matches(pattern: str, path: str) -> bool:
    return pattern in (ALL, path) or (pattern.endswith(ALL) and path.startswith(pattern.rstrip(ALL)))


def missing(held: Sequence[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """What of `wanted` is not covered by `held`, in the smallest pieces."""
    pieces = (piece for rule in wanted for piece in _pieces(rule))
    return [piece for piece in pieces if not any(_covers(rule, piece) for rule in held)]


def compact(rules: Iterable[PolicyRule]) -> list[PolicyRule]:
    """Pieces that differ in nothing but their verb, put together again."""
    verbs: dict[PolicyRule, list[str]] = {}
    for rule in rules:
        verbs.setdefault(msgspec.structs.replace(rule, verbs=()), []).extend(rule.verbs)
    return [msgspec.structs.replace(rule, verbs=tuple(dict.fromkeys(found))) for rule, found in verbs.items()]


def text(rule: PolicyRule) -> str:
    """As messages show a rule: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`."""
    parts = (
        ("APIGroups", rule.api_groups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.non_resource_urls),
        ("ResourceNames", rule.resource_names),
        ("Verbs", rule.verbs),
    )
    return "{" + ", ".join(f"{name}:{quoted(values)}" for name, values in parts if values) + "}"


def quoted(values: Iterable[str]) -> str:
    """As Go prints a list of strings: `["a" "b"]`."""
    return f"[{' '.join(json.dumps(value) for value in values)}]"


def _has(values: Sequence[str], wanted: str) -> bool:
    return wanted in values or ALL in values


def _resource_matches(resources: Sequence[str], combined: str, subresource: str) -> bool:
    if combined in resources or ALL in resources:
        return True
    return bool(subresource) and f"*/{subresource}" in resources


def _pieces(rule: PolicyRule) -> Iterator[PolicyRule]:
    """One verb on one resource (of one name) or one URL each."""
    for group in rule.api_groups:
        for resource in rule.resources:
            for name in rule.resource_names or ("",):
                names = (name,) if name else ()
                for verb in rule.verbs:
                    yield PolicyRule((verb,), (group,), (resource,), names)
    for url in rule.non_resource_urls:
        for verb in rule.verbs:
            yield PolicyRule((verb,), non_resource_urls=(url,))


def _covers(held: PolicyRule, piece: PolicyRule) -> bool:
    if not _has(held.verbs, piece.verbs[0]):
        return False
    if piece.non_resource_urls:
        url = piece.non_resource_urls[0]
        return any(url_matches(pattern, url) for pattern in held.non_resource_urls)
    resource = piece.resources[0]
    if not (_has(held.api_groups, piece.api_groups[0]) and _resource_covers(held.resources, resource)):
        return False
    if not held.resource_names:
        return True
    return bool(piece.resource_names) and piece.resource_names[0] in held.resource_names


def _resource_covers(resources: Sequence[str], resource: str) -> bool:
    return _resource_matches(resources, resource, resource.partition("/")[2])
