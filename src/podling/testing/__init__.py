"""Clusters for tests: `ApiServer()` and `Cluster()` in this process, and the simulation on virtual time.

Nothing is imported before it is asked for: pytest reads the plugin of this package in every project it is installed
in, and a project that wants no cluster today shall not pay for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podling.testing.apiserver import ApiServer
    from podling.testing.cluster import Cluster

__all__ = ["ApiServer", "Cluster"]


def __getattr__(name: str) -> Any:
    if name == "ApiServer":
        from podling.testing.apiserver import ApiServer

        return ApiServer
    if name == "Cluster":
        from podling.testing.cluster import Cluster

        return Cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
