"""`make conformance`: run the marked tests of all rooms and count behaviours, by SIG.

Arguments go to pytest; `--list` names what no test shows yet and runs nothing.
"""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.conformance.titles import behaviours, title_of


class Tally:
    """Which behaviours were shown; one that a skipped or failed test should show is not."""

    def __init__(self) -> None:
        self.tested: dict[str, bool] = {}
        self.titles: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.titles = {item.nodeid: title for item in session.items if (title := title_of(item)) is not None}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        title = self.titles.get(report.nodeid)
        if title is not None:
            self.tested[title] = self.tested.get(title, True) and report.passed


def main(arguments: list[str]) -> int:
    tally = Tally()
    listing = "--list" in arguments
    words = ["--collect-only"] if listing else []
    words += [each for each in arguments if each != "--list"]
    code = int(pytest.main(["-q", "-m", "conformance", *words], plugins=[tally]))
    if listing:
        shown = set(tally.titles.values())
        print("\n".join(name for name in behaviours() if name not in shown))
        return code
    _print(tally)
    return code


def _print(tally: Tally) -> None:
    known = behaviours()
    total = Counter(known.values())
    passed = Counter(known[title] for title, ok in tally.tested.items() if ok)
    missed = [title for title, ok in tally.tested.items() if not ok]
    for title in missed:
        print(f"not shown: {title}")
    print()
    for sig, count in total.items():
        print(f"{sig:24} {passed[sig]:4} of {count}")
    print(f"{'conformance':24} {passed.total():4} of {total.total()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
