"""A Scale in the form a client asked for: as it is, as a row of a Table, as metadata alone.

A Scale is made when it is asked for, so it has no place among the objects that `rendering` shows.
"""

from __future__ import annotations

from typing import Any

import orjson

from podling.api.kinds.cells import AGE, NAME
from podling.api.kinds.kind import Column
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.negotiation import form_of
from podling.apiserver.message import Request, Response

Json = dict[str, Any]


def _desired(scale: Json, now: float) -> int:
    return int((scale.get("spec") or {}).get("replicas", 0))


def _available(scale: Json, now: float) -> int:
    return int((scale.get("status") or {}).get("replicas", 0))


COLUMNS = (
    NAME,
    Column("Desired", _desired, "integer", description="How many replicas there shall be."),
    Column("Available", _available, "integer", description="How many replicas there are."),
    AGE,
)


def shown(backend: Backend, request: Request, scale: Json) -> Response:
    accept = request.headers.get("accept", "")
    if "as=" not in accept:
        return Response(200, orjson.dumps(scale))
    form = form_of(accept, False)
    if not form.shape:
        return Response(200, orjson.dumps(scale))
    version = f"meta.k8s.io/{form.version}"
    metadata = {"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": scale["metadata"]}
    return Response(200, orjson.dumps(_table(backend, request, scale, metadata) if form.shape == "Table" else metadata))


def _table(backend: Backend, request: Request, scale: Json, metadata: Json) -> Json:
    now = backend.env.now()
    include = request.param("includeObject", "Metadata")
    row = {"cells": [column.cell(scale, now) for column in COLUMNS]}
    row["object"] = {"Object": scale, "None": None}.get(include, metadata)  # type: ignore[assignment]
    heads = [
        {key: getattr(column, key) for key in ("name", "type", "format", "description", "priority")}
        for column in COLUMNS
    ]
    revision = scale["metadata"].get("resourceVersion", "")
    head = {"kind": "Table", "apiVersion": metadata["apiVersion"], "metadata": {"resourceVersion": revision}}
    return {**head, "columnDefinitions": heads, "rows": [row]}
