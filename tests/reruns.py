"""A test that is run once more (`--reruns`) begins with nothing.

pytest-rerunfailures keeps what has a wider scope than the test. For us that is real clusters: one that the failure has
broken, or in which the first run left its Pods, says nothing about the second.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = report.failed or (report.when != "setup" and item.stash.get(FAILED, False))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What all tests share ends with the test, too, where it will be run again."""
    reruns = item.config.getoption("reruns", None) or 0
    if item.stash.get(FAILED, False) and getattr(item, "execution_count", reruns + 1) <= reruns:
        item.session._setupstate.teardown_exact(None)
