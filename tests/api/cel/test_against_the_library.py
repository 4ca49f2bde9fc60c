"""Our evaluator against the library's own, over expressions that nobody wrote by hand."""

from __future__ import annotations

from typing import Any

from cel_expr_python import cel as library
from hypothesis import given, settings
from hypothesis import strategies as st

from podling.api import cel

DATA = {"n": 3, "s": "héllo", "l": [3, 1, 2], "m": {"a": 1, "b": 2}, "t": True, "d": 2.5}
KINDS = {"n": "int", "s": "string", "l": "list<int>", "m": "map<string, int>", "t": "bool", "d": "double"}
TYPES = {
    "n": cel.INT,
    "s": cel.STRING,
    "l": cel.list_of(cel.INT),
    "m": cel.map_of(cel.STRING, cel.INT),
    "t": cel.BOOL,
    "d": cel.DOUBLE,
}
ENVIRONMENT = library.NewEnv(variables={name: library.Type(kind) for name, kind in KINDS.items()})

LEAVES = {
    "number": (
        "n",
        "size(s)",
        "l[0]",
        "m.a",
        "m['b']",
        "l[7]",
        "m.zz",
        "9223372036854775807",
        "(-7)",
        "0",
        "2",
        "int('x')",
    ),
    "text": ("s", "'a'", "''", "'a.b'"),
    "list": ("l", "[2, 1]"),
    "truth": ("true", "false", "t", "has(m.a)", "has(m.zz)", "d > 2.0"),
}
# A result's kind: forms, each with the kinds of its parts.
FORMS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "number": (
        *((f"({{}} {operator} {{}})", ("number", "number")) for operator in "+-*/%"),
        ("({} ? {} : {})", ("truth", "number", "number")),
        ("size({})", ("list",)),
        ("(-{})", ("number",)),
        ("int(double({}) / 2.0)", ("number",)),
    ),
    "text": (("({} + {})", ("text", "text")), ("string({})", ("number",))),
    "list": (
        ("[{}, {}]", ("number", "number")),
        ("{}.map(x, x + {})", ("list", "number")),
        ("{}.filter(x, x > {})", ("list", "number")),
        ("({} + {})", ("list", "list")),
    ),
    "truth": (
        *((f"({{}} {operator} {{}})", ("number", "number")) for operator in ("<", "<=", ">", ">=", "==", "!=")),
        *((f"({{}} {operator} {{}})", ("truth", "truth")) for operator in ("&&", "||")),
        ("(!{})", ("truth",)),
        ("({} in {})", ("number", "list")),
        *((f"{{}}.{macro}(x, x < {{}})", ("list", "number")) for macro in ("all", "exists", "exists_one")),
        *((f"{{}}.{method}({{}})", ("text", "text")) for method in ("contains", "startsWith", "endsWith", "matches")),
        ("({} == {})", ("list", "list")),
        ("({} < {})", ("text", "text")),
    ),
}


@st.composite
def expressions(draw: st.DrawFn, kind: str | None = None, depth: int = 4) -> str:
    kind = kind or draw(st.sampled_from(sorted(FORMS)))
    if not depth or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(LEAVES[kind]))
    form, parts = draw(st.sampled_from(FORMS[kind]))
    return form.format(*[draw(expressions(part, depth - 1)) for part in parts])


def theirs(expression: str) -> Any:
    """The library's value, None where it is an error."""
    try:
        value = ENVIRONMENT.compile(expression).eval(data=DATA)
    except (RuntimeError, ValueError):
        return None
    return None if value.type() == library.Type.ERROR else value.plain_value()


def ours(expression: str) -> Any:
    try:
        return cel.compile(expression, TYPES).evaluate(DATA, cel.Budget())
    except cel.CelEvaluationError:
        return None


@settings(max_examples=100, deadline=None)
@given(expressions())
def test_both_evaluators_agree(expression: str) -> None:
    assert ours(expression) == theirs(expression), expression


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
UNTYPED = [
    *(
        "{0} + {1}",
        "{0}[{1}]",
        "{0}.a.b",
        "{0} in {1}",
        "size({0})",
        "{0}.all(x, x == {1})",
        "{0}.map(x, {1})",
        "{0} < {1}",
    ),
    *(
        "{0}.indexOf({1})",
        "{0}.split({1})",
        "{0}.join({1})",
        "{0}.replace({1}, {0})",
        "'%s %d %f %x'.format([{0}, {1}, {0}, {1}])",
    ),
    *(
        "timestamp({0})",
        "duration({0})",
        "int({0})",
        "uint({0})",
        "double({0})",
        "string({0})",
        "bool({0})",
        "bytes({0})",
    ),
    *(
        "quantity({0}).add({1})",
        "ip({0})",
        "cidr({0}).containsIP({1})",
        "url({0}).getPort()",
        "semver({0}, true)",
        "{0}.sum()",
    ),
    *(
        "{0}.min()",
        "{0}.isSorted()",
        "{0}.matches({1})",
        "{0}.findAll({1}, {0})",
        "sets.contains({0}, {1})",
        "{0}.?a.orValue({1})",
    ),
    *(
        "format.named({0})",
        "format.dns1123Label().validate({0})",
        "{0}.getHours({1})",
        "{0}.substring({1}, {0})",
        "-{0}",
        "!{0}",
    ),
    *(
        "{0}.lowerAscii()",
        "{0}.charAt({1})",
        "{0} / {1}",
        "{0} % {1}",
        "{0} ? 1 : 2",
        "{0}.transformMap(k, v, {1})",
        "{0}[?{1}]",
    ),
]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(UNTYPED), ANYTHING, ANYTHING)
def test_no_value_breaks_a_function_in_any_other_way_than_its_own(template: str, one: Any, other: Any) -> None:
    program = cel.compile(template.format("one", "other"), {"one": cel.DYN, "other": cel.DYN})
    try:
        program.evaluate({"one": one, "other": other}, cel.Budget())
    except cel.CelError as error:
        assert error.message
