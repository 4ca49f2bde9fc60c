"""Ingress as extensions/v1beta1 and networking.k8s.io/v1beta1 wrote it, until 1.22.

A backend was `serviceName` and `servicePort`; the one for everything else was called `backend`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from podling.api.kinds.core.poddefaults import fill
from podling.api.kinds.kind import Conversion, Json
from podling.api.kinds.versions import renamed, replaced, with_spec

HUB: Final = "networking.k8s.io/v1"


def ingress_defaults(obj: Json) -> None:
    """A path without a type is left to whoever carries the Ingress out."""
    for rule in obj.setdefault("spec", {}).get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            fill(path, "pathType", "ImplementationSpecific")


def ingress(group: str) -> Conversion:
    return with_spec(group, "v1beta1", ingress_defaults, HUB, _to_hub, _from_hub)


def _to_hub(obj: Json) -> Json:
    spec = renamed(_backends(obj.get("spec") or {}, _service), backend="defaultBackend")
    if spec.get("defaultBackend") is not None:
        spec["defaultBackend"] = _service(spec["defaultBackend"])
    return obj | {"spec": spec}


def _from_hub(obj: Json) -> Json:
    spec = renamed(_backends(obj.get("spec") or {}, _names), defaultBackend="backend")
    if spec.get("backend") is not None:
        spec["backend"] = _names(spec["backend"])
    return obj | {"spec": spec}


def _backends(spec: Json, change: Callable[[Json], Json]) -> Json:
    """The spec with the backends of all its paths changed."""
    if not spec.get("rules"):
        return spec
    return spec | {"rules": [_rule(rule, change) for rule in spec["rules"]]}


def _rule(rule: Json, change: Callable[[Json], Json]) -> Json:
    paths = (rule.get("http") or {}).get("paths")
    if not paths:
        return rule
    changed = [path | {"backend": change(path.get("backend") or {})} for path in paths]
    return rule | {"http": rule["http"] | {"paths": changed}}


def _service(backend: Json) -> Json:
    """`{serviceName: web, servicePort: 80}` → `{service: {name: web, port: {number: 80}}}`."""
    name, port = backend.get("serviceName"), backend.get("servicePort")
    rest = replaced(backend, serviceName=None, servicePort=None)
    if not name and port is None:
        return rest
    service: dict[str, Any] = {"name": name or ""}
    service["port"] = {} if port is None else {"name" if isinstance(port, str) else "number": port}
    return rest | {"service": service}


def _names(backend: Json) -> Json:
    service = backend.get("service")
    rest = replaced(backend, service=None)
    if service is None:
        return rest
    port = service.get("port") or {}
    given = port.get("name") or port.get("number")
    if service.get("name"):
        rest["serviceName"] = service["name"]
    return rest | ({} if given is None else {"servicePort": given})
