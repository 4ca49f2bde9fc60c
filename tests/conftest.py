"""What every test may lean on: the short Hypothesis profile of a shared machine, and reruns that begin with nothing."""

import signal

from hypothesis import HealthCheck, settings

from tests.conformance.titles import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.reruns import pytest_runtest_makereport as pytest_runtest_makereport
from tests.reruns import pytest_runtest_teardown as pytest_runtest_teardown

settings.register_profile("podling", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("podling")

# Who is started in the background by a shell ignores SIGINT, and so would all that these tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
