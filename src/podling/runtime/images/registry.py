"""A registry client: the pull half of the OCI distribution specification, on httpx.

Tokens are fetched when a registry asks for one (Bearer, with the credentials of ~/.docker/config.json where it has
some), an index is resolved to this machine's platform, and every byte is checked against the digest that named it.
Loopback addresses are spoken to without TLS, as every container tool does.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import os
import platform
import re
import socket
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from podling.env import Env
from podling.runtime.images.config import ImageConfig
from podling.runtime.images.names import DEFAULT_DOMAIN, Reference
from podling.runtime.images.store import Entry, ImageError, ImageStore

if TYPE_CHECKING:
    import httpx

_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
MAX_DOCUMENT = 8 << 20
_ERRORS = {401: "unauthorized", 403: "denied", 404: "not found", 429: "too many requests"}


def this_architecture() -> str:
    """Go's name of this machine's architecture."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


class Denied(ImageError):
    """The registry wants other credentials."""


class RegistryPuller:
    """Pulls into `store`. `credentials` maps a registry to `user:password`."""

    def __init__(self, store: ImageStore, env: Env, credentials: Mapping[str, str] | None = None) -> None:
        self._store, self._env = store, env
        self._credentials = _docker_credentials() if credentials is None else credentials

    async def pull(self, reference: Reference, logins: tuple[str, ...] = ()) -> Entry:
        """The image, with all layers unpacked. `logins` come before our own credentials, and where there are any,
        nobody asks without. Raises ImageError."""
        own = self._credentials.get(reference.domain, "")
        *others, last = dict.fromkeys((*logins, *((own,) if own or not logins else ())))
        for login in others:
            try:
                return await self._pull(reference, login)
            except Denied:
                continue
        return await self._pull(reference, last)

    async def _pull(self, reference: Reference, login: str) -> Entry:
        import httpx

        try:
            async with self._session(reference, login) as session:
                manifest, digest = await session.manifest(reference.digest or reference.tag)
                config = await session.document(manifest["config"]["digest"])
                await self._layers(session, manifest, config)
        except httpx.HTTPError as error:
            raise ImageError(f"failed to do request: {_in_words(error, reference)}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ImageError(f"the registry's answer makes no sense: {error}") from error
        names = (reference.name,) if reference.tag else ()
        return await self._env.in_thread(self._store.add, config, names, f"{reference.repository}@{digest}")

    @asynccontextmanager
    async def _session(self, reference: Reference, login: str) -> AsyncIterator[_Session]:
        import httpx

        timeout = httpx.Timeout(30, connect=10)
        async with httpx.AsyncClient(timeout=timeout, follow_redirects=True, trust_env=True) as client:
            yield _Session(client, reference, login)

    async def _layers(self, session: _Session, manifest: dict[str, Any], config: bytes) -> None:
        import msgspec

        diff_ids = msgspec.json.decode(config, type=ImageConfig).rootfs.diff_ids
        if len(diff_ids) != len(manifest["layers"]):
            raise ImageError("manifest and configuration disagree about the number of layers")
        for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True):
            if not self._store.layer(diff_id).is_dir():
                with self._store.scratch() as folder:
                    await session.blob(layer["digest"], folder / "blob")
                    await self._env.in_thread(_unpack, self._store, folder / "blob", diff_id)


class _Session:
    """One pull: one repository, one token."""

    def __init__(self, client: httpx.AsyncClient, reference: Reference, login: str) -> None:
        self._client, self._reference, self._login = client, reference, login
        self._base = f"{base_url(reference.domain)}/v2/{reference.path}"
        self._authorization = ""

    async def manifest(self, name: str) -> tuple[dict[str, Any], str]:
        """The manifest for this machine and the digest of what `name` named (the index, where there is one)."""
        data, kind, named = await self._manifest(name)
        document = json.loads(data)
        if kind in _INDEXES or "manifests" in document:
            data, _, _ = await self._manifest(_choose(document["manifests"], self._reference))
            document = json.loads(data)
        return document, named

    async def _manifest(self, name: str) -> tuple[bytes, str, str]:
        accept = ", ".join(_INDEXES + _MANIFESTS)
        response = await self._get(f"{self._base}/manifests/{name}", {"Accept": accept})
        data = response.content
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if ":" in name and digest != name:
            raise ImageError(f"the content of {name} has the digest {digest}")
        return data, response.headers.get("content-type", "").partition(";")[0], digest

    async def document(self, digest: str) -> bytes:
        response = await self._get(f"{self._base}/blobs/{digest}", {})
        data = response.content
        if "sha256:" + hashlib.sha256(data).hexdigest() != digest:
            raise ImageError(f"the content of {digest} has another digest")
        return data

    async def blob(self, digest: str, target: Path) -> None:
        """Stream a blob to a file, checked on the way."""
        found = hashlib.sha256()
        headers = {"Authorization": self._authorization} if self._authorization else {}
        async with self._client.stream("GET", f"{self._base}/blobs/{digest}", headers=headers) as response:
            if response.status_code != 200:
                raise self._refusal(response)
            with _created(target) as file:
                async for piece in response.aiter_raw(1 << 20):
                    found.update(piece)
                    file.write(piece)
        if "sha256:" + found.hexdigest() != digest:
            raise ImageError(f"the content of {digest} has another digest")

    async def _get(self, url: str, headers: dict[str, str]) -> httpx.Response:
        for attempt in range(2):
            authorization = {"Authorization": self._authorization} if self._authorization else {}
            response = await self._client.get(url, headers={**headers, **authorization})
            if response.status_code == 401 and attempt == 0:
                await self._authorize(response.headers.get("www-authenticate", ""))
                continue
            if response.status_code != 200:
                raise self._refusal(response)
            if len(response.content) > MAX_DOCUMENT:
                raise ImageError("the registry's answer is too long")
            return response
        raise self._refusal(response)

    async def _authorize(self, challenge: str) -> None:
        scheme, _, rest = challenge.partition(" ")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        basic = "Basic " + base64.b64encode(self._login.encode()).decode() if self._login else ""
        if scheme.lower() == "basic" and basic:
            self._authorization = basic
        elif scheme.lower() == "bearer" and "realm" in fields:
            query = {name: fields[name] for name in ("service", "scope") if name in fields}
            query.setdefault("scope", f"repository:{self._reference.path}:pull")
            headers = {"Authorization": basic} if basic else {}
            response = await self._client.get(fields["realm"], params=query, headers=headers)
            if response.status_code != 200:
                kind = Denied if response.status_code in (401, 403) else ImageError
                raise kind(f"failed to authorize: failed to fetch anonymous token: {response.status_code}")
            answer = response.json()
            self._authorization = f"Bearer {answer.get('token') or answer['access_token']}"

    def _refusal(self, response: httpx.Response) -> ImageError:
        word = _ERRORS.get(response.status_code, f"unexpected status {response.status_code}")
        text = f'failed to resolve reference "{self._reference}": '
        if response.status_code in (401, 403):
            return Denied(f"{text}pull access denied, repository does not exist or may require authorization: {word}")
        return ImageError(f"{text}{self._reference}: {word}")


def base_url(domain: str) -> str:
    """Where a registry is spoken to: without TLS on this machine itself, with it elsewhere."""
    if domain == DEFAULT_DOMAIN:
        return f"https://registry-1.{DEFAULT_DOMAIN}"
    host = domain.rpartition(":")[0] or domain
    try:
        local = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        local = host == "localhost"
    return f"{'http' if local else 'https'}://{domain}"


def _choose(manifests: list[dict[str, Any]], reference: Reference) -> str:
    architecture = this_architecture()
    for entry in manifests:
        wanted = entry.get("platform", {})
        if wanted.get("os") == "linux" and wanted.get("architecture") == architecture:
            return str(entry["digest"])
    raise ImageError(f'no match for platform in manifest "{reference}": not found')


def _unpack(store: ImageStore, blob: Path, diff_id: str) -> None:
    """In a thread: decompress and unpack one layer."""
    with open(blob, "rb") as raw:
        try:
            store.put_layer(raw, diff_id)
        except (OSError, EOFError, zlib.error) as error:
            raise ImageError(f"failed to extract layer {diff_id}: {error}") from error


def _created(path: Path) -> BinaryIO:
    return open(path, "wb")


def _in_words(error: httpx.HTTPError, reference: Reference) -> str:
    """As Go prints it, because that is what people search for."""
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            text = "name or service not known"
            break
        if isinstance(cause, OSError) and cause.errno:
            text = os.strerror(cause.errno).lower()
            break
        cause = cause.__cause__ or cause.__context__
    if "refused" in text.lower() or "all connection attempts failed" in text.lower():
        text = f"dial tcp {reference.domain}: connect: connection refused"
    elif "name or service" in text.lower():
        text = f"dial tcp: lookup {reference.domain.partition(':')[0]}: no such host"
    url = f"{base_url(reference.domain)}/v2/{reference.path}/manifests/{reference.digest or reference.tag}"
    return f'Head "{url}": {text or type(error).__name__}'


def _docker_credentials() -> dict[str, str]:
    """`auths` of the user's Docker configuration; a credential helper is not asked."""
    place = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "config.json"
    try:
        auths = json.loads(place.read_bytes()).get("auths", {})
        found = {}
        for registry, entry in auths.items():
            if "auth" in entry:
                name = registry.removeprefix("https://").removeprefix("http://").partition("/")[0]
                found[DEFAULT_DOMAIN if name.startswith("index.docker.io") else name] = base64.b64decode(
                    entry["auth"]
                ).decode()
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
    return found
