"""The authorizer a server was configured with."""

from __future__ import annotations

from podling.apiserver.authorization.always import AlwaysAllow
from podling.apiserver.authorization.grants import Grants
from podling.apiserver.authorization.node import NodeAuthorizer
from podling.apiserver.authorization.question import Authorizer, Union
from podling.apiserver.authorization.rbac import Rbac
from podling.apiserver.config import Config
from podling.storage.watchcache import WatchCache


def authorizer_of(config: Config, cache: WatchCache) -> Authorizer:
    """`cache` has to be loaded; it is followed from now on."""
    if config.authorization == "AlwaysAllow":
        return AlwaysAllow()
    return Union((NodeAuthorizer(cache), Rbac(Grants(cache))))
