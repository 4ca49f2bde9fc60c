"""A checked expression as closures: what the library checked, run here.

The library has an evaluator of its own, but none that counts what it spends and can be stopped; a rule in a cluster
belongs to somebody else than the loop it runs on. So each node becomes a closure over the frame: slot 0 is the meter,
the others are variables. Costs that do not depend on values are summed up when compiling and charged once per branch
and per turn of a loop; what depends on sizes is charged where it arises.

Errors are exceptions, except inside of `&&`, `||` and the running value of a loop, which may decide without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from podling.api.cel import steps
from podling.api.cel.checkedexpr import (
    Call,
    Checked,
    Comprehension,
    Const,
    Ident,
    ListNode,
    MapNode,
    Node,
    Select,
)
from podling.api.cel.coercion import coercion
from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, wrong
from podling.api.cel.names import unescape
from podling.api.cel.operators import optional_at
from podling.api.cel.steps import UNSET, Frame, Part, Run
from podling.api.cel.values import TypeValue

LIST_COST: Final = 10
MAP_COST: Final = 30
STRUCT_COST: Final = 40
TURN_COST: Final = 3
"""Of `all` and `exists`: looking at the condition, and at what has been found so far."""
QUICK: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_", "_+_"})


class Evaluator:
    """Compiles one checked expression. `variables`: the names in order of their slots, from 1."""

    def __init__(self, checked: Checked, variables: tuple[str, ...], functions: Mapping[str, Function]) -> None:
        self._types, self._names, self._functions = checked.types, checked.names, functions
        self._slots = {name: [index] for index, name in enumerate(variables, 1)}
        self._globals = len(variables)
        self.size = len(variables) + 1
        """Slots of a frame."""
        self.run = self._charged(self._part(checked.root))

    def _part(self, node: Node) -> Part:
        part = self._parts[type(node)](self, node)
        convert = coercion(self._types.get(node.id)) if isinstance(node, Ident | Select | Call) else None
        if convert is None or (isinstance(node, Call) and node.function not in ("_[_]", "_?._", "_[?_]")):
            return part
        run, into = part.run, convert
        return Part(lambda f: into(run(f)), part.cost)

    def _charged(self, part: Part) -> Run:
        """A branch that may not run at all pays for itself."""
        run, cost = part
        if not cost:
            return run

        def charged(f: Frame) -> Any:
            f[0].charge(cost)
            return run(f)

        return charged

    def _const(self, node: Const) -> Part:
        value = node.value
        return Part(lambda f: value, 0)

    def _ident(self, node: Ident) -> Part:
        name = self._names.get(node.id, node.name)
        slots = self._slots.get(name) or self._slots.get(node.name)
        if not slots:
            named = TypeValue(name)
            return Part(lambda f: named, 1)
        slot = slots[-1]
        if slot > self._globals:
            return Part(lambda f: f[slot], 1)

        def checked(f: Frame) -> Any:
            value = f[slot]
            if value is UNSET:
                raise CelEvaluationError(f"no such attribute(s): {name}")
            return value

        return Part(checked, 1)

    def _select(self, node: Select) -> Part:
        if node.id in self._names and not node.test:
            return self._ident(Ident(node.id, self._names[node.id]))
        operand, cost = self._part(node.operand)
        field = self._field(node.operand, node.field)
        if node.test:
            return Part(lambda f: steps.has(operand(f), field), cost)  # looking is free, as upstream has it

        def select(f: Frame) -> Any:
            value = operand(f)
            try:
                return value[field]
            except (KeyError, TypeError):
                return steps.selected(value, field)

        return Part(select, cost + 1)

    def _field(self, operand: Node, field: str) -> str:
        """The JSON name: structs have names that expressions escape, maps have keys as they are."""
        type_ = self._types.get(operand.id)
        while type_ is not None and type_.name == "optional_type":
            type_ = type_.params[0] if type_.params else None
        return unescape(field) if type_ is not None and type_.fields is not None else field

    def _call(self, node: Call) -> Part:
        special = self._special.get(node.function)
        if special is not None and (node.target is None or node.function not in self._functions):
            return special(self, node)
        function, arguments = self._function(node)
        parts = [self._part(each) for each in arguments]
        fixed = sum(part.cost for part in parts)
        if node.function == "_==_":
            return Part(steps.equality(parts[0].run, parts[1].run), fixed + 1)
        if node.function in QUICK and function.cost is not None:
            return Part(steps.quick(function.run, function.cost, parts[0].run, parts[1].run), fixed + 1)
        return steps.called(function, [part.run for part in parts], fixed)

    def _function(self, node: Call) -> tuple[Function, tuple[Node, ...]]:
        if node.target is None:
            return self._functions[node.function], node.args
        qualified = steps.qualified(node.target)
        first = qualified.partition(".")[0]
        if qualified and first not in self._slots and f"{qualified}.{node.function}" in self._functions:
            return self._functions[f"{qualified}.{node.function}"], node.args
        return self._functions[node.function], (node.target, *node.args)

    def _and(self, node: Call) -> Part:
        left, cost = self._part(node.args[0])
        right = self._charged(self._part(node.args[1]))
        return Part(lambda f: steps.decided(left, right, f, absorbing=False), cost)

    def _or(self, node: Call) -> Part:
        left, cost = self._part(node.args[0])
        right = self._charged(self._part(node.args[1]))
        return Part(lambda f: steps.decided(left, right, f, absorbing=True), cost)

    def _choice(self, node: Call) -> Part:
        test, cost = self._part(node.args[0])
        yes, no = (self._charged(self._part(each)) for each in node.args[1:])

        def choose(f: Frame) -> Any:
            said = test(f)
            if said is True:
                return yes(f)
            if said is False:
                return no(f)
            raise wrong()

        return Part(choose, cost)

    def _optional_select(self, node: Call) -> Part:
        operand, cost = self._part(node.args[0])
        said = node.args[1]
        field = self._field(node.args[0], str(said.value) if isinstance(said, Const) else "")
        return Part(lambda f: optional_at(operand(f), field), cost + 1)

    def _list(self, node: ListNode) -> Part:
        parts = [self._part(each) for each in node.elements]
        cost = sum(part.cost for part in parts) + LIST_COST
        runs = [part.run for part in parts]
        if not node.optional:
            return Part(lambda f: [run(f) for run in runs], cost)
        items = [(run, index in node.optional) for index, run in enumerate(runs)]

        def build(f: Frame) -> list[Any]:
            out: list[Any] = []
            for run, optional in items:
                value = run(f)
                if not optional:
                    out.append(value)
                elif value.present:
                    out.append(value.value)
            return out

        return Part(build, cost)

    def _map(self, node: MapNode) -> Part:
        entries, cost = [], STRUCT_COST if node.message else MAP_COST
        for key, value, optional in node.entries:
            named = self._part(Const(0, unescape(key)) if isinstance(key, str) else key)
            part = self._part(value)
            cost += named.cost + part.cost
            entries.append((named.run, part.run, optional))

        def build(f: Frame) -> dict[Any, Any]:
            out: dict[Any, Any] = {}
            for key, run, optional in entries:
                name, value = key(f), run(f)
                if name in out:
                    raise CelEvaluationError(f"Failed with repeated key: {name}")
                if not optional:
                    out[name] = value
                elif value.present:
                    out[name] = value.value
            return out

        return Part(build, cost)

    def _loop(self, node: Comprehension) -> Part:
        absorbing, predicate = steps.quantified(node)
        if predicate is not None:
            return self._quantifier(node, predicate, absorbing=absorbing)
        among, cost = self._part(node.range)
        init = self._part(node.init)
        first, second, running = (self._enter(name) for name in (node.variable, node.second, node.accumulator))
        condition = self._charged(self._part(node.condition))
        endless = isinstance(node.condition, Const) and node.condition.value is True
        never = isinstance(node.condition, Const) and node.condition.value is False
        step = self._charged(self._step(node.step, node.accumulator, running))
        self._leave(node.variable)
        self._leave(node.second)
        result = self._part(node.result)
        self._leave(node.accumulator)
        start, end = init.run, result.run
        total = cost + init.cost + result.cost
        two = bool(node.second)

        def loop(f: Frame) -> Any:
            items = steps.items(among(f), two=two)
            accumulated = f[running] = start(f)
            for item in items if not never else ():
                if two:
                    f[first], f[second] = item
                else:
                    f[first] = item
                if not endless and condition(f) is False:
                    break
                try:
                    accumulated = f[running] = step(f)
                except CelEvaluationError as error:
                    if endless:
                        raise
                    accumulated = f[running] = steps.Failed(error)
            if accumulated.__class__ is steps.Failed:
                raise accumulated.error
            return end(f)

        return Part(loop, total)

    def _quantifier(self, node: Comprehension, predicate: Node, *, absorbing: bool) -> Part:
        """`all` and `exists` without their running value: the first false, or true, decides."""
        among, cost = self._part(node.range)
        first, second = self._enter(node.variable), self._enter(node.second)
        test, body = self._part(predicate)
        self._leave(node.variable)
        self._leave(node.second)
        turn, two, other = body + TURN_COST, bool(node.second), not absorbing

        def loop(f: Frame) -> bool:
            meter, failed = f[0], None
            for item in steps.items(among(f), two=two):
                if two:
                    f[first], f[second] = item
                else:
                    f[first] = item
                meter.left -= turn
                if meter.left < 0:
                    meter.charge(0)
                try:
                    said = test(f)
                    if said is absorbing:
                        return bool(absorbing)
                    if said is not other:
                        raise wrong()
                except CelEvaluationError as error:
                    failed = error
            if failed is not None:
                raise failed
            return other

        return Part(loop, cost + 1)

    def _enter(self, name: str) -> int:
        slot = self.size
        self.size += 1
        self._slots.setdefault(name, []).append(slot)
        return slot

    def _leave(self, name: str) -> None:
        slots = self._slots[name]
        slots.pop()
        if not slots:
            del self._slots[name]

    def _step(self, node: Node, accumulator: str, slot: int) -> Part:
        """One turn of a loop; what is added to a growing list is appended, since nobody else holds it."""
        if isinstance(node, Call) and node.function == "_?_:_" and steps.is_ident(node.args[2], accumulator):
            test = self._part(node.args[0])
            grow = self._charged(self._step(node.args[1], accumulator, slot))
            run = test.run

            def maybe(f: Frame) -> Any:
                said = run(f)
                if said is True:
                    return grow(f)
                if said is False:
                    return f[slot]
                raise wrong()

            return Part(maybe, test.cost)
        if isinstance(node, Call) and node.function == "_+_" and steps.is_ident(node.args[0], accumulator):
            return self._grown(node, slot)
        if isinstance(node, Call) and node.function == "cel.@mapInsert" and len(node.args) == 3:
            return self._inserted(node, slot)
        return self._part(node)

    def _grown(self, node: Call, slot: int) -> Part:
        added, cost = self._part(node.args[1])

        def grow(f: Frame) -> Any:
            more, held = added(f), f[slot]
            if held.__class__ is list and more.__class__ is list:
                held += more
                return held
            if held.__class__ is int and more.__class__ is int:
                return held + more
            raise wrong()

        return Part(grow, cost + 1)

    def _inserted(self, node: Call, slot: int) -> Part:
        key, value = self._part(node.args[1]), self._part(node.args[2])
        name, item = key.run, value.run

        def insert(f: Frame) -> Any:
            held, wanted = f[slot], name(f)
            if wanted in held:
                raise CelEvaluationError(f"insert failed: key '{wanted}' already exists")
            held[wanted] = item(f)
            return held

        return Part(insert, key.cost + value.cost + 1)

    def _not_false(self, node: Call) -> Part:
        """Whether a loop that looks for a false goes on: an error is none."""
        run, cost = self._part(node.args[0])

        def test(f: Frame) -> bool:
            try:
                said = run(f)
            except CelEvaluationError:
                return True
            return said is not False

        return Part(test, cost)

    _parts: Final[Mapping[type, Callable[[Evaluator, Any], Part]]] = {
        Const: _const,
        Ident: _ident,
        Select: _select,
        Call: _call,
        ListNode: _list,
        MapNode: _map,
        Comprehension: _loop,
    }
    _special: Final[Mapping[str, Callable[[Evaluator, Call], Part]]] = {
        "_&&_": _and,
        "_||_": _or,
        "_?_:_": _choice,
        "_?._": _optional_select,
        "@not_strictly_false": _not_false,
    }
