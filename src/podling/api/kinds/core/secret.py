"""Secret.

Like a ConfigMap with base64 values and a type that says which keys must be there. `stringData` is for writing only: it
is folded into `data` before anything else looks at the object.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

import msgspec

from podling.api.errors import Cause
from podling.api.kinds import causes
from podling.api.kinds.cells import AGE, NAME, column, value
from podling.api.kinds.core import datarules
from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Json, Kind
from podling.api.kinds.meta import ObjectMeta
from podling.api.kinds.view import View, field


class Secret(View, frozen=True):
    kind: str = ""
    api_version: str = ""
    metadata: ObjectMeta = ObjectMeta()
    immutable: bool | None = None
    data: dict[str, str] = field(default_factory=dict)
    string_data: dict[str, str] = field(default_factory=dict)
    type: str = ""


def defaults(obj: Json) -> None:
    fill(obj, "type", "Opaque")
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj["data"] = {**(obj.get("data") or {}), key: b64encode(text.encode()).decode()}


def fields(obj: Json) -> dict[str, str]:
    return {"type": obj.get("type", "")}


ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"
# The keys a type needs; of the keys in one inner tuple one is enough.
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "kubernetes.io/dockercfg": ((".dockercfg",),),
    "kubernetes.io/dockerconfigjson": ((".dockerconfigjson",),),
    "kubernetes.io/basic-auth": (("username", "password"),),
    "kubernetes.io/ssh-auth": (("ssh-privatekey",),),
    "kubernetes.io/tls": (("tls.crt",), ("tls.key",)),
}


def validate(obj: Json) -> list[Cause]:
    data, kind = obj.get("data") or {}, obj.get("type", "")
    found = datarules.keys("data", data)
    if sum(datarules.size_of_base64(text) for text in data.values()) > datarules.LIMIT:
        found.append(causes.too_long("data", datarules.LIMIT))
    annotations = obj["metadata"].get("annotations") or {}
    if kind == "kubernetes.io/service-account-token" and not annotations.get(ACCOUNT_ANNOTATION):
        found.append(causes.required(f"metadata.annotations[{ACCOUNT_ANNOTATION}]"))
    for keys in _NEEDED.get(kind, ()):
        if not any(key in data for key in keys):
            found += [causes.required(f"data[{key}]") for key in keys]
    return found + _docker_config(data, kind)


def _docker_config(data: Json, kind: str) -> list[Cause]:
    key = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}.get(kind)
    if key is None or key not in data:
        return []
    try:
        msgspec.json.decode(b64decode(data[key]), type=dict[str, object])
    except (msgspec.MsgspecError, ValueError) as error:
        return [causes.invalid(f"data[{key}]", "<secret contents redacted>", str(error))]
    return []


def validate_update(new: Json, old: Json) -> list[Cause]:
    found = causes.immutable("type", new.get("type"), old.get("type"))
    return found + datarules.immutable(new, old, "data")


KIND = Kind(
    "",
    "v1",
    "Secret",
    Secret,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    columns=(
        NAME,
        column("Type", value("type"), description="What the data means."),
        column("Data", lambda obj, _: len(obj.get("data") or ()), description="Number of entries."),
        AGE,
    ),
    fields=fields,
    field_names=frozenset(("type",)),
)
