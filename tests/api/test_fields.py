"""Field selectors: grammar, escapes, matching, and the fields a kind supports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.api import fields
from podling.api.fields import BadSelector

FIELDS = {"metadata.name": "a", "spec.nodeName": "n1", "status.phase": "Running"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("metadata.name=a", True),
        ("metadata.name==a,spec.nodeName=n1", True),
        ("status.phase!=Running", False),
        ("spec.unknown=", True),
        ("spec.unknown!=x", True),
    ],
)
def test_a_selector_matches(text: str, matches: bool) -> None:
    assert fields.parse(text).matches(FIELDS) is matches


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=1,b", "invalid selector: 'a=1,b'; can't understand 'b'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=b\\x", "invalid field selector: invalid escape sequence: \\x"),
    ],
)
def test_what_is_no_selector_is_complained_about_in_upstreams_words(text: str, says: str) -> None:
    with pytest.raises(BadSelector) as caught:
        fields.parse(text)
    assert str(caught.value) == says


def test_a_field_that_a_kind_does_not_have_is_named() -> None:
    with pytest.raises(BadSelector, match=r"^field label not supported: spec\.foo$"):
        fields.parse("spec.foo=1").check({"metadata.name"})
    with pytest.raises(BadSelector) as caught:
        fields.parse("spec.foo=1").check({"metadata.name"}, generic=True)
    assert str(caught.value) == '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"'


def test_a_selector_says_which_value_a_field_is_pinned_to() -> None:
    selector = fields.parse("spec.nodeName=n1,status.phase!=Failed")
    assert selector.exact("spec.nodeName") == "n1"
    assert selector.exact("status.phase") is None


@given(st.text(max_size=12))
def test_any_value_survives_its_escapes(value: str) -> None:
    selector = fields.Selector((fields.Requirement("metadata.name", value),))
    assert fields.parse(str(selector)) == selector
