"""The base of all typed views.

A view is a frozen msgspec struct that names the fields somebody here reads, decoded once per revision and shared by all
readers (DESIGN 5). Names are mechanical: snake_case of the JSON name. As in Go, scalars default to their zero, pointers
to None, lists to (), maps to {}, structs to an empty struct. Encoding omits what is at its default.
"""

from __future__ import annotations

import msgspec

field = msgspec.field


class View(msgspec.Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """Base of every view; subclasses repeat `frozen=True` for the type checker's sake."""
