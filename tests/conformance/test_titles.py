"""The check of the marker itself."""

from tests.conformance.titles import behaviours, mistakes

SOME = "[sig-api-machinery] server version should find the server version [Conformance]"


def test_the_list_names_462_behaviours() -> None:
    assert len(behaviours()) == 462


def test_a_name_that_is_not_on_the_list_is_told() -> None:
    assert mistakes([("a.py::test", SOME.lower())]) == [f"a.py::test: no such behaviour: {SOME.lower()}"]


def test_two_tests_of_one_name_are_told_and_parameters_of_one_are_not() -> None:
    assert mistakes([("a.py::test", SOME), ("a.py::test", SOME)]) == []
    assert len(mistakes([("a.py::test", SOME), ("b.py::test", SOME)])) == 2
