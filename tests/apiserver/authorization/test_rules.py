"""What a rule allows, and what one set of rules lacks of another."""

from __future__ import annotations

import pytest

from podling.api.kinds.rbac.views import PolicyRule
from podling.apiserver.authorization.policy.words import rule, urls
from podling.apiserver.authorization.question import Question
from podling.apiserver.authorization.rules import allows, compact, missing, text
from podling.apiserver.message import User

JANE = User("jane")
EVERYTHING = rule("*", "*", "*")


def asks(verb: str, resource: str, group: str = "", name: str = "") -> Question:
    plural, _, subresource = resource.partition("/")
    return Question(JANE, verb, group, plural, subresource, "default", name)


@pytest.mark.parametrize(
    ("given", "question", "answer"),
    [
        (rule("get list", "core", "pods"), asks("get", "pods"), True),
        (rule("get list", "core", "pods"), asks("delete", "pods"), False),
        (rule("get", "core", "pods"), asks("get", "pods", "apps"), False),
        (rule("get", "core", "pods"), asks("get", "pods/log"), False),
        (rule("get", "core", "pods/log"), asks("get", "pods/log"), True),
        (rule("get", "core", "pods/log"), asks("get", "pods"), False),
        (rule("get", "core", "pods/*"), asks("get", "pods/log"), False),
        (rule("update", "*", "*/scale"), asks("update", "deployments/scale", "apps"), True),
        (rule("update", "*", "*/scale"), asks("update", "deployments/status", "apps"), False),
        (rule("update", "*", "*/scale"), asks("update", "deployments", "apps"), False),
        (rule("get", "core", "*"), asks("get", "pods/log"), True),
        (EVERYTHING, asks("impersonate", "users"), True),
        (rule("get", "core", "configmaps", "one two"), asks("get", "configmaps", name="two"), True),
        (rule("get", "core", "configmaps", "one two"), asks("get", "configmaps", name="three"), False),
        (rule("create", "core", "configmaps", "one"), asks("create", "configmaps"), False),
        (EVERYTHING, Question(JANE, "get", path="/metrics"), False),
        (urls("/metrics"), asks("get", "pods"), False),
        (urls("/healthz"), Question(JANE, "get", path="/healthz"), True),
        (urls("/healthz"), Question(JANE, "get", path="/healthz/ping"), False),
        (urls("/apis/*"), Question(JANE, "get", path="/apis/apps/v1"), True),
        (urls("/apis/*"), Question(JANE, "get", path="/apis"), False),
        (urls("/apis/*"), Question(JANE, "post", path="/apis/apps"), False),
        (urls("*"), Question(JANE, "get", path="/anything"), True),
    ],
)
def test_a_rule_allows_what_it_names(given: PolicyRule, question: Question, answer: bool) -> None:
    assert allows(given, question) is answer


@pytest.mark.parametrize(
    ("held", "wanted", "lacking"),
    [
        ([EVERYTHING], rule("get", "core", "pods pods/log"), []),
        ([EVERYTHING], urls("/metrics"), ['{NonResourceURLs:["/metrics"], Verbs:["get"]}']),
        ([rule("get", "core", "pods"), rule("list", "core", "pods")], rule("get list", "core", "pods"), []),
        (
            [rule("get", "core", "pods")],
            rule("get list watch", "core apps", "pods"),
            [
                '{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}',
                '{APIGroups:["apps"], Resources:["pods"], Verbs:["get" "list" "watch"]}',
            ],
        ),
        (
            [rule("get", "core", "pods", "one")],
            rule("get", "core", "pods"),
            ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'],
        ),
        ([rule("get", "core", "pods")], rule("get", "core", "pods", "one"), []),
        ([rule("get", "*", "*/scale")], rule("get", "apps", "deployments/scale"), []),
        (
            [rule("get", "core", "pods", "one")],
            rule("get", "core", "pods", "one two"),
            ['{APIGroups:[""], Resources:["pods"], ResourceNames:["two"], Verbs:["get"]}'],
        ),
        ([urls("/api/*")], urls("/api/v1"), []),
        (
            [rule("get", "core", "pods")],
            rule("*", "core", "pods"),
            ['{APIGroups:[""], Resources:["pods"], Verbs:["*"]}'],
        ),
    ],
)
def test_what_is_missing_is_told_piece_by_piece(held: list[PolicyRule], wanted: PolicyRule, lacking: list[str]) -> None:
    assert [text(each) for each in compact(missing(held, [wanted]))] == lacking
