"""What every test may lean on: the short Hypothesis profile of a shared machine."""

from hypothesis import HealthCheck, settings

from tests.conformance.titles import pytest_collection_modifyitems as pytest_collection_modifyitems

settings.register_profile("podling", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("podling")
