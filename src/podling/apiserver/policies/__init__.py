"""Admission policies: rules in CEL about what is written, judged here without asking anybody."""
