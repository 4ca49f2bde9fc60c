"""What can be seen of literals without evaluating: patterns, moments and spans that are none, lists of mixed types.

Kubernetes refuses them when an expression is compiled, and so does this, with the place in upstream's form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from podling.api.cel.checkedexpr import Call, Checked, Comprehension, Const, ListNode, MapNode, Node, Select
from podling.api.cel.errors import CelEvaluationError, CelSyntaxError
from podling.api.cel.patterns import matches
from podling.api.cel.timetext import read_moment, read_span
from podling.api.cel.types import CelType

Mistake = tuple[int, str]
"""(id of the node, what is wrong)."""

_READ: Final[Mapping[str, Callable[[str], object]]] = {
    "matches": lambda text: matches("", text),
    "duration": read_span,
    "timestamp": read_moment,
}


def check_literals(expression: str, checked: Checked) -> None:
    """Raises CelSyntaxError."""
    found = list(_mistakes(checked.root, checked.types))
    if found:
        reports = (_report(expression, checked.offsets.get(id_, 0), text) for id_, text in found)
        raise CelSyntaxError("compilation failed: " + "\n".join(reports))


def _mistakes(node: Node, types: Mapping[int, CelType]) -> Iterator[Mistake]:
    if isinstance(node, Call):
        read = _READ.get(node.function)
        last = node.args[-1] if node.args else None
        if read is not None and isinstance(last, Const) and isinstance(last.value, str):
            try:
                read(last.value)
            except CelEvaluationError:
                yield last.id, f"invalid {node.function} argument"
        if node.function == "format":
            return  # takes anything
    elif isinstance(node, ListNode):
        yield from _mixed(node, types)
    for child in _below(node):
        yield from _mistakes(child, types)


def _mixed(node: ListNode, types: Mapping[int, CelType]) -> Iterator[Mistake]:
    wanted: CelType | None = None
    for element in node.elements:
        type_ = types.get(element.id)
        if type_ is None or type_.fields is not None or type_.name in ("dyn", "null", "optional_type"):
            continue
        if wanted is not None and type_.name != wanted.name:
            yield element.id, f"expected type '{wanted.name}' but found '{type_.name}'"
            return
        wanted = type_


def _below(node: Node) -> tuple[Node, ...]:
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return (*((node.target,) if node.target is not None else ()), *node.args)
        case ListNode():
            return node.elements
        case MapNode():
            keys = tuple(each.key for each in node.entries if not isinstance(each.key, str))
            return (*keys, *(each.value for each in node.entries))
        case Comprehension():
            return (node.range, node.init, node.condition, node.step, node.result)
    return ()


def _report(expression: str, offset: int, text: str) -> str:
    """As the library reports what it finds itself."""
    before = expression[:offset]
    row, column = before.count("\n") + 1, offset - (before.rfind("\n") + 1)
    line = expression.split("\n")[row - 1]
    return f"ERROR: <input>:{row}:{column + 1}: {text}\n | {line}\n | {'.' * column}^"
