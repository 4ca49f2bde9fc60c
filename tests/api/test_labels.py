"""Label selectors: the grammar of `-l`, its complaints, matching, and the validation of labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api import labels
from podling.api.labels import BadSelector

LABELS = {"app": "web", "tier": "front", "weight": "5"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier=front", True),
        ("app=web,tier=back", False),
        ("app!=web", False),
        ("missing!=web", True),
        ("app in (web,db)", True),
        ("app notin (web, db)", False),
        ("missing notin (web)", True),
        ("app", True),
        ("!app", False),
        ("! missing", True),
        ("weight>4", True),
        ("weight<5", False),
        ("app>4", False),
        ("missing>4", False),
        (" app = web , tier in ( front , back ) ", True),
        ("in=x", False),
    ],
)
def test_a_selector_matches(text: str, matches: bool) -> None:
    assert labels.parse(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a!b", "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt"),
        ("a===", "unable to parse requirement: found '=', expected: identifier"),
        (
            "a>x",
            'unable to parse requirement: values[0]: Invalid value: "x":'
            " for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        (
            "a=-b",
            'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be an empty string or'
            " consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
            " character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
            " '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
    ],
)
def test_what_is_no_selector_is_complained_about_in_upstreams_words(text: str, says: str) -> None:
    with pytest.raises(BadSelector) as caught:
        labels.parse(text)
    assert str(caught.value) == says


def test_a_selector_is_printed_as_kubectl_prints_it() -> None:
    assert str(labels.parse("z!=1,!y,x,b in (c,a),a=1,n>3")) == "a=1,b in (a,c),n>3,x,!y,z!=1"


def test_a_selector_says_what_an_index_can_answer() -> None:
    assert labels.parse("a=1,b in (x),c in (x,y),d!=1").exact == (("a", "1"), ("b", "x"))


def test_a_label_selector_selects_nothing_when_absent_and_everything_when_empty() -> None:
    assert not labels.of(None).matches({})
    assert labels.of({}).matches(LABELS)
    assert labels.of_map({"app": "web"}).matches(LABELS)


def test_a_label_selector_joins_labels_and_expressions() -> None:
    selector = labels.of(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "gone", "operator": "DoesNotExist"},
            ],
        }
    )
    assert str(selector) == "app=web,!gone,tier in (back,front)"
    assert selector.matches(LABELS)
    assert not selector.matches(LABELS | {"gone": ""})


def test_an_unknown_operator_is_named() -> None:
    with pytest.raises(BadSelector, match='"Like" is not a valid label selector operator'):
        labels.of({"matchExpressions": [{"key": "a", "operator": "Like"}]})


def test_labels_are_validated_with_their_path() -> None:
    found = labels.validate_labels({"a/b/c": "x", "ok": "no space"}, "metadata.labels")
    assert [cause.field for cause in found] == ["metadata.labels", "metadata.labels"]
    assert found[0].message.startswith('Invalid value: "a/b/c": a qualified name must consist of alphanumeric')
    assert found[1].message.startswith('Invalid value: "no space": a valid label must be an empty string')


def test_a_label_selector_is_validated_with_its_paths() -> None:
    found = labels.validate_selector(
        {
            "matchExpressions": [
                {"key": "a", "operator": "In"},
                {"key": "a", "operator": "Exists", "values": ["x"]},
                {"key": "a", "operator": "Like"},
            ]
        },
        "spec.selector",
    )
    assert [(cause.field, cause.message) for cause in found] == [
        (
            "spec.selector.matchExpressions[0].values",
            "Required value: must be specified when `operator` is 'In' or 'NotIn'",
        ),
        (
            "spec.selector.matchExpressions[1].values",
            "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ),
        ("spec.selector.matchExpressions[2].operator", 'Invalid value: "Like": not a valid selector operator'),
    ]


WORD = st.from_regex(r"[a-z]([-a-z0-9_.]{0,6}[a-z0-9])?", fullmatch=True).filter(
    lambda word: word not in ("in", "notin")
)
TERM = st.one_of(
    st.builds("{}={}".format, WORD, WORD),
    st.builds("{}!={}".format, WORD, WORD),
    st.builds("{} in ({},{})".format, WORD, WORD, WORD),
    st.builds("!{}".format, WORD),
    WORD,
)


@given(st.lists(TERM, max_size=4))
def test_a_printed_selector_means_the_same(terms: list[str]) -> None:
    selector = labels.parse(",".join(terms))
    assert labels.parse(str(selector)) == selector


@given(st.text(alphabet="ab=!<>(), in-", max_size=12))
def test_any_text_is_a_selector_or_a_complaint(text: str) -> None:
    try:
        labels.parse(text)
    except BadSelector as error:
        assert str(error)
