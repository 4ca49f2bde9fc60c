"""What endpoints work with, one value, made by the server, that holds every part behind the filters; and their type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from podling.api.catalog import Catalog
from podling.api.objects import Object
from podling.api.schema import Schemas
from podling.apiserver.authorization.question import Authorizer
from podling.apiserver.config import Config
from podling.apiserver.message import Outcome, Request
from podling.apiserver.metrics import Metrics
from podling.apiserver.registry.heads import Describer
from podling.apiserver.registry.served import Resources, Served, encode
from podling.env import Env
from podling.network.dialer import Dialer
from podling.storage.interface import Storage
from podling.storage.watchcache import WatchCache

if TYPE_CHECKING:
    from podling.apiserver.admission.chain import Admission
    from podling.apiserver.endpoints.discovery import Discovery
    from podling.apiserver.endpoints.openapi import OpenApi
    from podling.apiserver.endpoints.pieces import PieceCache
    from podling.apiserver.endpoints.watch import Frames
    from podling.apiserver.metricsapi.sampler import Sampler
    from podling.apiserver.registry.bearertokens import BearerTokens
    from podling.apiserver.registry.continuetokens import ContinueTokens
    from podling.apiserver.registry.serviceaccounts import TokenIssuer
    from podling.apiserver.registry.services import Allocator


@dataclass(frozen=True, slots=True)
class Backend:
    """`tokens` is None on a server without a token key."""

    config: Config
    env: Env
    storage: Storage
    cache: WatchCache
    catalog: Catalog
    schemas: Schemas
    resources: Resources
    dialer: Dialer
    usage: Sampler
    metrics: Metrics
    admission: Admission
    authorizer: Authorizer
    allocator: Allocator
    continue_tokens: ContinueTokens
    tokens: TokenIssuer | None
    token_reader: BearerTokens
    discovery: Discovery
    openapi: OpenApi
    describe: Describer
    health: Callable[[str], Mapping[str, str]]
    """The checks of livez, readyz or healthz: name → what is wrong, empty where nothing is."""

    pieces: PieceCache
    frames: dict[Served, Frames] = field(default_factory=dict)
    """Encoded watch events, shared by watchers (`endpoints/watch.py`)."""

    def imagine(self, key: str, hub: dict[str, Any], revision: int) -> Object:
        """The object a dry run would have stored."""
        raw = encode(hub)
        head, decode = self.describe.of(key, hub)
        return Object(key, raw, revision, head, decode)


Endpoint = Callable[[Backend, Request], Outcome | Awaitable[Outcome]]
"""Errors are raised as `api.errors.ApiError`. A plain function answers at once, on the loop, in under 5 ms."""
