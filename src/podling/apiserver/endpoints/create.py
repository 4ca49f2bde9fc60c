"""POST: a new object, from the client's body to the committed row.

The order is upstream's: decode and check the fields, default, let admission change it, prepare, validate, claim what
has to be claimed, store. With dryRun=All everything happens except the claims and the write.
"""

from __future__ import annotations

from typing import Any

import msgspec

from podling.api.errors import BadRequest, already_exists, invalid
from podling.api.objects import Object
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.authorization.question import question_of
from podling.apiserver.backend import Backend
from podling.apiserver.customresources.judging import judged
from podling.apiserver.endpoints.answer import written
from podling.apiserver.endpoints.body import place, read_object
from podling.apiserver.endpoints.options import dry_run
from podling.apiserver.endpoints.ownership import record_created
from podling.apiserver.filters.authorization import Authorization
from podling.apiserver.message import Request, Response
from podling.apiserver.registry.served import Served, encode
from podling.env import rfc3339
from podling.storage.interface import KeyExists

Json = dict[str, Any]

# Kinds that only the API server itself could act on, and that this one keeps without enforcing them.
UNENFORCED = frozenset(
    {
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    }
)
RULES = "rbac.authorization.k8s.io"
MAX_NAME = 63
NAME_TRIES = 8
# What only the server says about a new object.
_SERVER_METADATA = frozenset(
    {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"}
)


async def create(backend: Backend, request: Request) -> Response:
    target = request.target
    assert target is not None
    served = backend.resources.get(target.group, target.version, target.plural)
    dry = dry_run(request)
    body = read_object(backend, request, served)
    place(body, served, target.namespace, target.name)
    obj = await create_object(backend, request, served, served.entry.to_hub(body), dry=dry)
    if served.entry.unattended or (served.entry.group, served.entry.kind) in UNENFORCED:
        request.warn(f"podling: no controller acts on {served.entry.kind} objects yet")
    elif served.entry.group == RULES and backend.config.authorization == "AlwaysAllow":
        request.warn(f"podling: {served.entry.kind} objects mean nothing under --authorization-mode=AlwaysAllow")
    return written(backend, request, served, obj, 201)


async def create_object(
    backend: Backend, request: Request, served: Served, hub: Json, *, dry: bool, managed: list[Json] | None = None
) -> Object:
    """A hub object with its namespace set; `managed` are its managedFields where the writer does not simply manage
    all of it. Raises Invalid, AlreadyExists, Forbidden."""
    _require_create(backend, request)
    metadata = hub["metadata"]
    generated = "" if metadata.get("name") else metadata.get("generateName", "")
    if generated:
        metadata["name"] = _generate(backend, generated)
    await _prepare(backend, request, served, hub, managed, dry=dry, generated=bool(generated))
    with backend.admission.promise(metadata["uid"]):
        for _ in range(NAME_TRIES if generated else 1):
            try:
                return await _store(backend, served, hub, dry)
            except KeyExists:
                if generated:
                    metadata["name"] = _generate(backend, generated)
    raise already_exists(served.entry.plural, metadata["name"], served.entry.group)


def _require_create(backend: Backend, request: Request) -> None:
    """A PUT or an apply that makes an object needs the right to create it, too. Raises Forbidden."""
    if request.target is not None and request.target.verb != "create":
        question = msgspec.structs.replace(question_of(request), verb="create")
        Authorization(backend.authorizer).require(question)


def _generate(backend: Backend, prefix: str) -> str:
    return f"{prefix[: MAX_NAME - 5]}{backend.env.suffix()}"


async def _prepare(
    backend: Backend,
    request: Request,
    served: Served,
    hub: Json,
    managed: list[Json] | None,
    *,
    dry: bool,
    generated: bool,
) -> None:
    metadata = hub["metadata"]
    known = metadata.pop("resourceVersion", "")
    for name in _SERVER_METADATA.intersection(metadata):
        del metadata[name]
    metadata["uid"] = backend.env.uid()
    now = metadata["creationTimestamp"] = rfc3339(backend.env.now())
    if managed is None:
        record_created(backend, request, served, hub, now)
    elif managed:
        metadata["managedFields"] = managed
    namespace = metadata.get("namespace", "")
    attempt = Attempt("CREATE", served, namespace, hub, None, request, dry=dry, generated=generated)
    await backend.admission.admit(attempt)
    served.kind.prepare_create(hub)
    if causes := await judged(backend.env, lambda: served.entry.validate(hub)):
        raise invalid(served.entry.kind, metadata.get("name", ""), causes, served.kind.group)
    await backend.admission.validate(attempt)
    if served.kind.warnings is not None:
        for text in served.kind.warnings(hub, None):
            request.warn(text)
    # It is upstream's store that says so: behind all other checks, and never in a dry run.
    if known and not dry:
        raise BadRequest("resourceVersion should not be set on objects to be created")


async def _store(backend: Backend, served: Served, hub: Json, dry: bool) -> Object:
    """Raises KeyExists; what was claimed for the object is given back then."""
    metadata = hub["metadata"]
    key = served.key(metadata.get("namespace", ""), metadata["name"])
    if dry:
        if backend.cache.get(key) is not None:
            raise already_exists(served.entry.plural, metadata["name"], served.entry.group)
        return backend.imagine(key, hub, 0)
    async with backend.allocator.creating(served, hub):
        return await backend.cache.create(key, encode(hub), backend.describe.of(key, hub))
