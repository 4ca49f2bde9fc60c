"""Objects in the form a client asked for: as they are, as rows of a Table, as metadata alone.

Objects as they are stay bytes (DESIGN 4). Rows and metadata are made from one decode an object.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from podling.api.errors import BadRequest
from podling.api.objects import Object
from podling.apiserver.backend import Backend
from podling.apiserver.endpoints.columns import columns_of
from podling.apiserver.endpoints.negotiation import Form, form_of
from podling.apiserver.message import Request
from podling.apiserver.registry.served import Served

Json = dict[str, Any]


class Renderer:
    """One request's form for the objects of one resource."""

    def __init__(self, backend: Backend, request: Request, served: Served, *, listing: bool) -> None:
        """`listing`: the answer to a list; a watch's events are single objects. Raises NotAcceptable, BadRequest."""
        self.served = served
        self.form: Form = form_of(request.headers.get("accept", ""), listing)
        self.now = backend.env.now
        self._include = request.param("includeObject", "Metadata")
        if self._include not in ("Metadata", "Object", "None"):
            raise BadRequest(f'invalid query parameters: unrecognized includeObject value: "{self._include}"')
        self._partial: Json = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{self.form.version}"}
        self.item: Callable[[Object], bytes] = self._choose()
        """The object by itself, or as a row of a Table."""
        self.listed = self.item if self.form.shape else served.listed
        """The object as an item of a list."""

    def _choose(self) -> Callable[[Object], bytes]:
        match self.form.shape:
            case "":
                return self.served.item
            case "Table":
                return lambda obj: orjson.dumps(self.row(self.served.tabled(obj)))
        return lambda obj: orjson.dumps(self._metadata(self.served.json(obj)))

    def one(self, obj: Object) -> bytes:
        """The object as a whole answer or as a watch event's object."""
        if self.form.shape == "Table":
            return self.table((obj,))
        return self.item(obj)

    def table(self, objects: Sequence[Object], *, heads: bool = True) -> bytes:
        """A Table of a few objects; `heads`: with the definitions of its columns."""
        rows = [self.row(self.served.tabled(obj)) for obj in objects]
        revision = str(objects[-1].revision) if objects else ""
        return orjson.dumps(self._table_head(revision, heads) | {"rows": rows})

    def list_head(self, metadata: Json) -> tuple[bytes, bytes]:
        """What comes before the items of a list and what comes after them."""
        meta = orjson.dumps(metadata)
        if self.form.shape == "Table":
            head = orjson.dumps(self._table_head("", True) | {"metadata": metadata})
            return head[:-1] + b',"rows":[', b"]}\n"
        if self.form.shape == "PartialObjectMetadataList":
            kind = f'{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/{self.form.version}","metadata":'
            return kind.encode() + meta + b',"items":[', b"]}\n"
        return self.served.list_head + meta + b',"items":[', b"]}\n"

    def row(self, obj: Json) -> Json:
        """The row of a hub object: columns are declared for the hub."""
        now = self.now()
        cells = [column.cell(obj, now) for column in columns_of(self.served.kind)]
        return {"cells": cells, "object": self._row_object(obj)}

    def _row_object(self, obj: Json) -> Any:
        if self._include == "Object":
            return self.served.entry.from_hub(obj)
        return None if self._include == "None" else self._metadata(obj)

    def _metadata(self, obj: Json) -> Json:
        return {**self._partial, "metadata": obj["metadata"]}

    def _table_head(self, revision: str, heads: bool) -> Json:
        definitions = [
            {
                "name": column.name,
                "type": column.type,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            }
            for column in (columns_of(self.served.kind) if heads else ())
        ]
        return {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{self.form.version}",
            "metadata": {"resourceVersion": revision} if revision else {},
            "columnDefinitions": definitions,
        }
