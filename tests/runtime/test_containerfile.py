"""Containerfiles are read as their reference says."""

from __future__ import annotations

import pytest

from podling.runtime.images.containerfile import ContainerfileError, parse, substitute


def test_comments_continued_lines_and_flags() -> None:
    found = parse("# c\nFROM a\n\nRUN one && \\\n  # inside\n  two\ncopy --chown=1:2 --chmod=644 a b /c/\n")
    assert [(i.name, i.rest, i.line) for i in found] == [
        ("FROM", "a", 2),
        ("RUN", "one && two", 4),
        ("COPY", "a b /c/", 7),
    ]
    assert found[2].flags == {"chown": "1:2", "chmod": "644"}


def test_the_exec_form_is_a_list_and_the_shell_form_is_words() -> None:
    exec_form, shell_form = parse('FROM x\nCMD ["a b", "c"]\nCMD a b "c d"')[1:]
    assert (exec_form.listed(), shell_form.listed()) == (("a b", "c"), None)
    assert shell_form.words() == ("a", "b", "c d")


def test_env_takes_pairs_and_the_old_form() -> None:
    new, old = parse("FROM x\nENV A=1 B='two words'\nENV C all the rest")[1:]
    assert new.pairs() == (("A", "1"), ("B", "two words"))
    assert old.pairs() == (("C", "all the rest"),)


@pytest.mark.parametrize(
    ("text", "result"),
    [("$a/${b}", "1/2"), ("${c:-x}${a:-x}", "x1"), ("${a:+y}${c:+y}", "y"), (r"\$a $c.", "$a .")],
)
def test_variables_are_put_in(text: str, result: str) -> None:
    assert substitute(text, {"a": "1", "b": "2"}) == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no instructions"),
        ("RUN x", "line 1: the first instruction must be FROM"),
        ("FROM x\nFROBNICATE y", "line 2: unknown instruction: FROBNICATE"),
        ("FROM x\nRUN", "line 2: RUN requires at least one argument"),
        ("FROM x\nRUN <<EOF\nls\nEOF", "line 2: here-documents are not supported"),
    ],
)
def test_mistakes_are_named_with_their_line(text: str, message: str) -> None:
    with pytest.raises(ContainerfileError, match=message):
        parse(text)
