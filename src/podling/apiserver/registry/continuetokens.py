"""Continue tokens of paged lists: a revision and the last key, signed.

A page is read at the revision of the first one, so a list in pages is as consistent as one in one piece (DESIGN 10).
The signature keeps clients from making up positions; the key lies in the store and outlives the server.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple

import msgspec

from podling.api.errors import BadRequest
from podling.apiserver.registry.heads import INTERNAL
from podling.env import Env
from podling.storage.interface import KeyExists, Storage

_KEY = f"{INTERNAL}keys/continue"
_SIZE = 12


class Position(NamedTuple):
    """`after`: the key of the last object of the page before; `prefix`: the list it belongs to."""

    revision: int
    prefix: str
    after: str


class ContinueTokens:
    """Made by `load`."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    async def load(cls, storage: Storage, env: Env) -> ContinueTokens:
        """With the store's key, made on first use."""
        row = await storage.get(_KEY)
        if row is None:
            try:
                row = await storage.create(_KEY, msgspec.json.encode({"metadata": {}, "key": env.token(32).hex()}))
            except KeyExists as error:
                row = error.current
        return cls(bytes.fromhex(msgspec.json.decode(row.value)["key"]))

    def sign(self, position: Position) -> str:
        body = msgspec.json.encode(position)
        return base64.urlsafe_b64encode(self._mac(body) + body).rstrip(b"=").decode()

    def read(self, token: str, prefix: str) -> Position:
        """Raises BadRequest for what is not a token of this list."""
        try:
            data = base64.urlsafe_b64decode(token.encode() + b"=" * (-len(token) % 4))
        except (binascii.Error, ValueError) as error:
            raise BadRequest(
                f"continue key is not valid: illegal base64 data at input byte {_illegal(token)}"
            ) from error
        body = data[_SIZE:]
        if not hmac.compare_digest(data[:_SIZE], self._mac(body)):
            raise BadRequest("continue key is not valid: it was not issued by this server")
        position = msgspec.json.decode(body, type=Position)
        if position.prefix != prefix:
            raise BadRequest("continue key is not valid: it belongs to another list")
        return position

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._secret, body, hashlib.sha256).digest()[:_SIZE]


def _illegal(token: str) -> int:
    """Where Go's decoder would stop."""
    found = re.search(r"[^A-Za-z0-9_-]", token)
    return found.start() if found else len(token) - len(token) % 4
