"""An outcome told to people: the story, the end, and where to look."""

from __future__ import annotations

from collections.abc import Iterator

from podling.testing.exploration.explore import Outcome
from podling.testing.exploration.plan import Plan


def told(plan: Plan, outcome: Outcome, *, writes: bool) -> Iterator[str]:
    """Lines. With `writes` every write stands between the deeds, in the order of time."""
    yield f"Seed {plan.seed}: {plan.nodes} nodes, {len(plan.moves)} deeds."
    faults = {name: getattr(plan.faults, name) for name in plan.faults.__struct_fields__}
    named = [f"{name.replace('_', ' ')} {rate:.1%}" for name, rate in faults.items() if rate and name != "delay"]
    yield "What fails now and then: " + (", ".join(named) or "nothing") + "."
    if delay := faults["delay"]:
        yield f"Messages take up to {delay:.2f} s."
    yield "At the margin stands what users do and what goes wrong, indented what the control plane makes of it."
    yield ""
    yield from _merged(outcome) if writes else outcome.story
    yield ""
    if outcome.violations:
        yield f"{len(outcome.violations)} rules were broken:"
        yield from (f"  {each}" for each in outcome.violations)
    else:
        spent = f"{outcome.seconds:.0f} simulated seconds and {len(outcome.log)} writes"
        yield f"No rule was broken; after {spent} all was at rest."


def _merged(outcome: Outcome) -> list[str]:
    lines = [(float(line.split(" s ", 1)[0]), 0, line) for line in outcome.story]
    for line in outcome.log:
        time, _, rest = line.partition(" ")
        lines.append((float(time), 1, f"{float(time):10.3f} s          {rest}"))
    return [line for _, _, line in sorted(lines, key=lambda each: each[:2])]
