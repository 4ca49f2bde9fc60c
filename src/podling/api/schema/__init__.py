"""The shape of every type, and what that shape drives: decoding, defaults, protobuf, OpenAPI.

A built-in kind gets its `Type` from the packaged table, a custom resource from its CRD; nothing behind this room asks
which it was. What others call::

    schemas = load()                                    # ~1 ms; keep one per process
    schemas.kind(group, version, kind) -> Type | None   # schemas.kind("apps", "v1", "ReplicaSet")
    schemas.named("core/v1.PodSpec") -> Type            # KeyError when unknown
    schemas.resources                                   # {"apps/v1": {"replicasets": ResourceRow, …}}
    type.fields["spec"].type.fields                     # Field: name, type, number, list_type, patch_merge_key …

    parse(body) -> Parsed                               # JSON bytes; raises NotJson with Go's words
    decode(body, type, kind=, version=, mode=) -> Decoded   # parse + check; raises BadRequest as upstream words it
    check(obj, type, mode) -> Decoded                   # of an object already parsed; in place; FieldTypeError
    decode_protobuf(body, schemas) -> (apiVersion, kind, obj)   # application/vnd.kubernetes.protobuf
    apply_defaults(obj, type)                           # in place, the defaults that are declared in the table
    marker_causes(obj, type) -> list[Cause]             # declared enums, required, bounds, formats
    immutable_causes(new, old, type) -> list[Cause]     # fields declared immutable

`mode` is the query parameter fieldValidation: "Strict", "Warn" or "Ignore".
"""

from podling.api.schema.check import Decoded, FieldTypeError
from podling.api.schema.decode import Mode, cannot_handle, check, decode, said, strict_error, unrecognized
from podling.api.schema.defaults import apply_defaults
from podling.api.schema.gojson import NotJson, Parsed, parse
from podling.api.schema.markers import immutable_causes, marker_causes
from podling.api.schema.protobuf import decode_protobuf, encode_protobuf, is_protobuf
from podling.api.schema.schemas import Schemas, group_of, load, package_of
from podling.api.schema.table import ResourceRow
from podling.api.schema.types import Field, Type

__all__ = [
    "Decoded",
    "Field",
    "FieldTypeError",
    "Mode",
    "NotJson",
    "Parsed",
    "ResourceRow",
    "Schemas",
    "Type",
    "apply_defaults",
    "cannot_handle",
    "check",
    "decode",
    "decode_protobuf",
    "encode_protobuf",
    "group_of",
    "immutable_causes",
    "is_protobuf",
    "load",
    "marker_causes",
    "package_of",
    "parse",
    "said",
    "strict_error",
    "unrecognized",
]
