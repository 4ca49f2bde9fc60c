"""What admission is asked about: one write on its way to the store, before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from podling.apiserver.endpoints.options import DeleteOptions
from podling.apiserver.message import Request
from podling.apiserver.registry.served import Served

Json = dict[str, Any]
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
OPERATIONS: Sequence[Operation] = ("CREATE", "UPDATE", "DELETE", "CONNECT")


class Attempt(msgspec.Struct, frozen=True):
    """What is about to be done. `obj` is the new hub object (on DELETE the one that goes), `old` the present one."""

    operation: Operation
    served: Served
    namespace: str
    obj: Json
    old: Json | None
    request: Request
    subresource: str = ""
    """The way of an update; plugins with `subresources = True` look at others than the object itself."""
    dry: bool = False
    """Nothing will be stored: a plugin must leave no trace elsewhere."""
    revision: int = 0
    """Of the present object, where there is one."""
    generated: bool = False
    """Whether the new object's name was made up by the server."""
    options: DeleteOptions | None = None
    """Of a deletion."""
    again: bool = False
    """Whether this is the second run of a chain in which a webhook or a policy changed the object."""
    memory: dict[str, Any] = {}
    """What a plugin keeps from the first run for the second."""
