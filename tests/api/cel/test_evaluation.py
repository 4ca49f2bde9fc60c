"""What expressions evaluate to, and how they fail."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from podling.api import cel

SELF = {"a": {"b": 1, "c": "xyz"}, "items": list(range(10)), "m": {"k": 1, "l": 2}, "nothing": None}


def evaluate(expression: str, **values: Any) -> Any:
    program = cel.compile(expression, dict.fromkeys({"self": 1, **values}, cel.DYN))
    return program.evaluate({"self": SELF, **values}, cel.Budget())


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.a.b + 1 > 1 && self.items.all(i, i < 30)", True),
        ("self.items.filter(x, x > 7)", [8, 9]),
        ("self.items.map(x, x % 2 == 0, x * 10)", [0, 20, 40, 60, 80]),
        ("self.items.exists_one(x, x == 3)", True),
        ("has(self.zz) || has(self.a.b)", True),
        ("self.?zz.orValue(3)", 3),
        ("self.?a.optMap(x, x.b + 1).orValue(5)", 2),
        ("self.?a.b.hasValue()", True),
        ("self.m.map(k, k)", ["k", "l"]),
        ("self.m.all(k, v, v > 0 && k != '')", True),
        ("self.m.transformMap(k, v, v + 1)", {"k": 2, "l": 3}),
        ("self.items.transformList(i, v, i + v)", [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]),
        ("cel.bind(x, 3, x * x)", 9),
        ("{?'a': optional.none(), 'b': [?optional.of(1), 2]}", {"b": [1, 2]}),
        ("-7 / 2", -3),
        ("-5 % 3", -2),
        ("1.0 / 0.0 > 5.0", True),
        ("1 < 2.5 && 3u > 2", True),
        ("dyn(1) == 1.0 && [1, 2] == [dyn(1.0), dyn(2.0)]", True),
        ("dyn(true) == 1", False),
        ("type(1) == int && type('a') == string && type(type(1)) == type", True),
        ("self.nothing == null", True),
        ("b'\\xff'.size() + 'héllo'.size()", 6),
        ("string(timestamp('2020-01-01T00:00:00.5Z') + duration('1h30m'))", "2020-01-01T01:30:00.5Z"),
        ("timestamp('2020-06-01T00:00:00Z').getHours('Europe/Berlin')", 2),
        ("timestamp('2020-01-01T23:00:00Z').getDate('+02:00')", 2),
        ("duration('-90m').getHours()", -1),
        ("timestamp('2020-01-02T00:00:00Z') - timestamp('2020-01-01T00:00:00Z') == duration('24h')", True),
        ("string(1.0) + string(2.5) + string(true)", "12.5true"),
        ("'%s has %d of %.1f and %x'.format(['a', 3, 2.55, 255])", "a has 3 of 2.5 and ff"),
        ("'%s'.format([{'b': [1, 2.5, null], 'a': duration('1s')}])", "{a: 1s, b: [1, 2.5, null]}"),
        ("'a,b,c'.split(',', 2)", ["a", "b,c"]),
        ("'hello'.substring(1, 3) + 'x'.charAt(0) + ['a', 'b'].join('-')", "elxa-b"),
        ("'banana'.lastIndexOf('a') + 'banana'.indexOf('a', 2) + [3, 4].indexOf(4)", 9),
        ("' A '.trim().lowerAscii() + 'b'.upperAscii() + 'aa'.replace('a', 'c', 1)", "aBca"),
        ("self.a.c.matches('^x.z$')", True),
        ("'abc 123'.find('[0-9]+') + 'x1y2'.findAll('([a-z])[0-9]').join()", "123x1y2"),
        ("strings.quote('a\"b')", '"a\\"b"'),
    ],
)
def test_an_expression_has_its_value(expression: str, value: Any) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("self.zz", "no such key: zz"),
        ("self.items[10]", "index out of bounds: 10"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "modulus by zero"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("-(-9223372036854775807 - 1)", "integer overflow"),
        ("0u - 1u", "unsigned integer overflow"),
        ("self.a + 1", "no such overload"),
        ("self.a.b.c", "no such overload"),
        ("int('x')", "type conversion error from 'string' to 'int'"),
        ("optional.none().value()", "optional.none() dereference"),
        ("timestamp('yester' + 'day') == timestamp(0)", 'parsing time "yesterday" as'),
        ("duration('1 ' + 'hour') == duration('1h')", 'time: invalid duration "1 hour"'),
        ("'a'.matches(self.a.c + '(')", "error parsing regexp"),
        ("{'a': 1, 'a': 2}", "Failed with repeated key: a"),
        ("self.items.all(x, x / 0 == 1)", "division by zero"),
        ("'%d'.format(['a'])", "error during formatting: %d cannot be applied to string"),
    ],
)
def test_an_evaluation_fails_with_its_reason(expression: str, message: str) -> None:
    with pytest.raises(cel.CelEvaluationError, match="^" + re.escape(message)):
        evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("false && self.zz", False),
        ("self.zz && false", False),
        ("self.zz || true", True),
        ("self.items.exists(x, x / 0 == 1 || x == 9)", True),
        ("self.items.all(x, self.zz == x && x < 5)", False),
    ],
)
def test_an_error_gives_way_to_what_decides(expression: str, value: bool) -> None:
    assert evaluate(expression) is value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "foo",
            "compilation failed: ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo\n | ^",
        ),
        (
            "1 + 'a'",
            "compilation failed: ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n"
            " | 1 + 'a'\n | ..^",
        ),
        (
            "self.a.matches('(')",
            "compilation failed: ERROR: <input>:1:16: invalid matches argument\n"
            " | self.a.matches('(')\n | ...............^",
        ),
        (
            "true &&\nduration('1 day') > duration('1s')",
            "compilation failed: ERROR: <input>:2:10: invalid duration argument\n"
            " | duration('1 day') > duration('1s')\n | .........^",
        ),
        ("timestamp('x') == self", "compilation failed: ERROR: <input>:1:11: invalid timestamp argument\n"),
        ("[1, 'a'].size()", "compilation failed: ERROR: <input>:1:5: expected type 'int' but found 'string'\n"),
        ("self.", "compilation failed: ERROR: <input>:1:6: Syntax error: no viable alternative at input '.'"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(expression: str, message: str) -> None:
    with pytest.raises(cel.CelSyntaxError) as caught:
        cel.compile(expression, {"self": cel.DYN})
    assert caught.value.message.startswith(message)


SPEC = cel.struct(
    "Spec",
    {
        "replicas": cel.INT,
        "tags": cel.list_of(cel.STRING),
        "when": cel.TIMESTAMP,
        "ratio": cel.DOUBLE,
        "labels": cel.map_of(cel.STRING, cel.INT),
        "a__dash__b": cel.INT,
        "foo_bar": cel.map_of(cel.STRING, cel.STRING),
        "fooBar": cel.map_of(cel.STRING, cel.STRING),
        "__namespace__": cel.STRING,
        "maybe": cel.CelType("int", nullable=True),
        "parts": cel.list_of(cel.struct("Part", {"x": cel.INT})),
        "grid": cel.list_of(cel.list_of(cel.INT)),
        "data": cel.BYTES,
    },
)
GIVEN = {
    "replicas": 3,
    "tags": ["a"],
    "when": "2020-01-01T00:00:00Z",
    "ratio": 1,
    "labels": {"a-b": 1},
    "a-b": 4,
    "foo_bar": {"x": "y"},
    "fooBar": {"x": "z"},
    "namespace": "here",
    "maybe": None,
    "parts": [{"x": 1}],
    "grid": [[1], [2]],
    "data": "aGk=",
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.a__dash__b == 4 && self.labels['a-b'] == 1", True),
        ("self.when > timestamp('2019-01-01T00:00:00Z')", True),
        ("self.foo_bar.x + self.fooBar.x + self.__namespace__", "yzhere"),
        ("self.ratio + 1.5", 2.5),
        ("self.maybe == null && has(self.maybe)", True),
        ("self.parts.all(p, p.x < 1.5)", True),
        ("self.grid[1][0]", 2),
        ("self.data", b"hi"),
        ("oldSelf.hasValue() && oldSelf.value().when == self.when", True),
        ("oldSelf.?parts[0].x.orValue(0)", 1),
    ],
)
def test_values_of_json_are_what_their_schema_says(expression: str, value: Any) -> None:
    program = cel.compile(expression, {"self": SPEC, "oldSelf": cel.optional_of(SPEC)})
    assert program.evaluate({"self": GIVEN, "oldSelf": cel.Optional(True, GIVEN)}, cel.Budget()) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("self.replcas", "ERROR: <input>:1:5: undefined field 'replcas'"),
        ("self.parts.all(p, p.y)", "undefined field 'y'"),
        ("self.tags == 'a'", "found no matching overload for '_==_' applied to '(list(string), string)'"),
        ("self == self.parts[0]", "applied to '(Spec, Part)'"),
    ],
)
def test_a_field_that_no_schema_has_is_refused(expression: str, message: str) -> None:
    with pytest.raises(cel.CelSyntaxError) as caught:
        cel.compile(expression, {"self": SPEC})
    assert message in caught.value.message


def test_a_result_of_another_type_is_refused() -> None:
    with pytest.raises(cel.CelSyntaxError, match=r"^must evaluate to bool$"):
        cel.compile("1 + 1", {}, result=cel.BOOL)
    assert cel.compile("self", {"self": cel.DYN}, result=cel.BOOL).result == cel.DYN


def test_a_runaway_expression_is_stopped() -> None:
    program = cel.compile("l.all(x, l.all(y, l.all(z, x + y + z >= 0)))", {"l": cel.DYN})
    budget = cel.Budget(call=20_000)
    with pytest.raises(cel.CelBudgetExceeded, match="operation cancelled: actual cost limit exceeded"):
        program.evaluate({"l": list(range(1000))}, budget)
    assert 20_000 <= budget.spent < 21_000


def test_evaluations_share_a_budget() -> None:
    program = cel.compile("l.map(x, x + 1).size() > 0", {"l": cel.DYN})
    budget = cel.Budget(total=1000)
    program.evaluate({"l": list(range(50))}, budget)
    with pytest.raises(cel.CelBudgetExceeded):
        program.evaluate({"l": list(range(50))}, budget)


def test_a_pattern_that_would_go_back_and_forth_does_not() -> None:
    assert evaluate("text.matches('(a+)+$')", text="a" * 40 + "b") is False


def test_variables_are_looked_up_when_they_are_needed() -> None:
    looked: list[str] = []

    class Lazy(Mapping[str, Any]):
        def __getitem__(self, name: str) -> Any:
            looked.append(name)
            return {"x": 1}[name]

        def __iter__(self) -> Iterator[str]:
            return iter(("x",))

        def __len__(self) -> int:
            return 1

    assert evaluate("false && variables.x == 1", variables=Lazy()) is False
    assert looked == []
    assert evaluate("variables.x == 1", variables=Lazy()) is True
    with pytest.raises(cel.CelEvaluationError, match="no such key: y"):
        evaluate("variables.y == 1", variables=Lazy())


def test_a_variable_without_a_value_fails_only_where_it_is_reached() -> None:
    program = cel.compile("a || b", {"a": cel.DYN, "b": cel.DYN})
    assert program.evaluate({"a": True}, cel.Budget()) is True
    with pytest.raises(cel.CelEvaluationError, match=r"no such attribute\(s\): b"):
        program.evaluate({"a": False}, cel.Budget())


def test_an_authorizer_is_asked_by_steps() -> None:
    asked: list[cel.Check] = []

    def decide(check: cel.Check) -> cel.Decision:
        asked.append(check)
        return cel.Decision(check.verb == "get", "because")

    authorizer = cel.Authorizer(decide)
    variables = {"authorizer": cel.AUTHORIZER, "authorizer.requestResource": cel.RESOURCE_CHECK}
    values = {
        "authorizer": authorizer,
        "authorizer.requestResource": authorizer.resource_check("apps", "deployments", "", "default", "web"),
    }
    text = "authorizer.group('').resource('pods').namespace('ns').name('p').check('get').allowed()"
    assert cel.compile(text, variables).evaluate(values, cel.Budget()) is True
    assert (asked[0].resource, asked[0].namespace, asked[0].name) == ("pods", "ns", "p")
    text = "!authorizer.requestResource.check('delete').allowed() && authorizer.path('/x').check('get').allowed()"
    assert cel.compile(text, variables).evaluate(values, cel.Budget()) is True
    assert asked[1].resource == "deployments"
    text = "authorizer.serviceAccount('ns', 'bot').group('').resource('pods').check('get').errored()"
    assert cel.compile(text, variables).evaluate(values, cel.Budget()) is False
    assert asked[-1].service_account == ("ns", "bot")
