"""Measurements of Podling on the machine at hand: medians, with CPU seconds beside. Never part of the tests."""
