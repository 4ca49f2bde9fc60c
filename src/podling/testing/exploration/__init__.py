"""Histories of the control plane nobody thought of: a seed makes a plan, the plan is lived, invariants are watched.

`plan.py` turns a seed into what users do and what goes wrong (pure), `invariants.py` watches every committed change and
judges the end (pure), `explore.py` lives a plan in a `Simulation`, `story.py` tells one to people.
"""
