"""Ingress.

Rules that lead requests from outside to Services by host and path.
"""

from __future__ import annotations

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, NONE, at, column, value
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.networking import oldversions

_SHOWN = 3
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_FORBIDDEN_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_FORBIDDEN_ENDS = ("/..", "/.")
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found: list[Cause] = []
    if not spec.get("rules") and spec.get("defaultBackend") is None:
        text = "either `defaultBackend` or `rules` must be specified"
        found.append(causes.invalid("spec", spec, text))
    if spec.get("defaultBackend") is not None:
        found += _backend("spec.defaultBackend", spec["defaultBackend"])
    for index, rule in enumerate(spec.get("rules") or ()):
        found += _rule(f"spec.rules[{index}]", rule)
    for index, entry in enumerate(spec.get("tls") or ()):
        found += _tls(f"spec.tls[{index}]", entry)
    if name := spec.get("ingressClassName"):
        found += rules.all_invalid("spec.ingressClassName", name, names.dns_subdomain(name))
    return found


def warnings(obj: Json, old: Json | None) -> list[str]:
    annotations = obj["metadata"].get("annotations") or {}
    if old is not None or CLASS_ANNOTATION not in annotations:
        return []
    return [f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"]


def validate_create(obj: Json) -> list[Cause]:
    """The class is said in one place: the old annotation beside the field means two things."""
    annotations = obj["metadata"].get("annotations") or {}
    if CLASS_ANNOTATION in annotations and at(obj, "spec.ingressClassName") is not None:
        text = "can not be set when the class field is also set"
        return [causes.invalid(f"annotations.{CLASS_ANNOTATION}", annotations[CLASS_ANNOTATION], text)]
    return []


def validate_status(new: Json, old: Json) -> list[Cause]:
    found: list[Cause] = []
    for index, entry in enumerate(at(new, "status.loadBalancer.ingress") or ()):
        here, ip, host = f"status.loadBalancer.ingress[{index}]", entry.get("ip"), entry.get("hostname")
        if ip:
            found += rules.all_invalid(f"{here}.ip", ip, names.ip_address(ip))
        if host:
            found += rules.all_invalid(f"{here}.hostname", host, _not_an_address(host) or names.dns_subdomain(host))
    return found


def _not_an_address(host: str) -> list[str]:
    return [] if names.ip_address(host) else ["must be a DNS name, not an IP address"]


def _host(path: str, host: str) -> list[Cause]:
    wrong = names.wildcard_subdomain(host) if "*" in host else names.dns_subdomain(host)
    return rules.all_invalid(path, host, _not_an_address(host) or wrong)


def _tls(path: str, entry: Json) -> list[Cause]:
    found: list[Cause] = []
    for index, host in enumerate(entry.get("hosts") or ()):
        wrong = names.wildcard_subdomain(host) if "*" in host else names.dns_subdomain(host)
        found += rules.all_invalid(f"{path}.hosts[{index}]", host, wrong)
    if name := entry.get("secretName"):
        found += rules.all_invalid(f"{path}.secretName", name, names.dns_subdomain(name))
    return found


def _rule(path: str, rule: Json) -> list[Cause]:
    host, found = rule.get("host", ""), []
    if host:
        found += _host(f"{path}.host", host)
    if rule.get("http") is None:
        return found
    paths = rule["http"].get("paths") or []
    if not paths:
        found.append(causes.required(f"{path}.http.paths"))
    for index, entry in enumerate(paths):
        here, where, kind = f"{path}.http.paths[{index}]", entry.get("path", ""), entry.get("pathType")
        if not kind:
            found.append(causes.required(f"{here}.pathType", "pathType must be specified"))
        elif kind not in PATH_TYPES:
            found.append(causes.unsupported(f"{here}.pathType", kind, PATH_TYPES))
        elif not where.startswith("/") and (where or kind != "ImplementationSpecific"):
            found.append(causes.invalid(f"{here}.path", where, "must be an absolute path"))
        elif kind != "ImplementationSpecific":
            found += _no_tricks(f"{here}.path", where)
        found += _backend(f"{here}.backend", entry.get("backend") or {})
    return found


def _no_tricks(path: str, where: str) -> list[Cause]:
    """A path that is matched literally holds nothing that clients or proxies resolve."""
    found = [causes.invalid(path, where, f"must not contain '{part}'") for part in _FORBIDDEN_PARTS if part in where]
    found += [causes.invalid(path, where, f"cannot end with '{end}'") for end in _FORBIDDEN_ENDS if where.endswith(end)]
    return found


def _backend(path: str, backend: Json) -> list[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [causes.invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return _resource(f"{path}.resource", resource)
    if service is None:
        return [causes.required(path, "resource or service backend is required")]
    found = rules.named(f"{path}.service.name", service.get("name", ""), names.dns_1035_label)
    port = service.get("port") or {}
    if port.get("name") and port.get("number"):
        found.append(causes.invalid(path, "", "cannot set both port name & port number"))
    elif port.get("name"):
        found += rules.all_invalid(f"{path}.service.port.name", port["name"], names.port_name(port["name"]))
    elif port.get("number"):
        found += rules.all_invalid(f"{path}.service.port.number", port["number"], names.port_number(port["number"]))
    else:
        found.append(causes.required(path, "port name or number is required"))
    return found


def _resource(path: str, reference: Json) -> list[Cause]:
    found: list[Cause] = []
    if group := reference.get("apiGroup"):
        found += rules.all_invalid(f"{path}.apiGroup", group, names.dns_subdomain(group))
    return found + [
        cause
        for name in ("kind", "name")
        for cause in rules.named(f"{path}.{name}", reference.get(name, ""), names.path_segment)
    ]


def hosts(obj: Json, now: float) -> str:
    found = [rule["host"] for rule in at(obj, "spec.rules") or () if rule.get("host")]
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return ",".join(found[:_SHOWN]) + more if found else "*"


def address(obj: Json, now: float) -> str:
    ingress = at(obj, "status.loadBalancer.ingress") or ()
    return ",".join(sorted({entry.get("ip") or entry.get("hostname", "") for entry in ingress}))


def ports(obj: Json, now: float) -> str:
    return "80, 443" if at(obj, "spec.tls") else "80"


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "Ingress",
    warnings=warnings,
    validate=validate,
    validate_create=validate_create,
    validate_status=validate_status,
    strategy=Strategy(status=True, generation=True, empty_status={"loadBalancer": {}}),
    columns=(
        NAME,
        column("Class", value("spec.ingressClassName", NONE), description="Who carries it out."),
        column("Hosts", hosts, description="Hosts it answers for."),
        column("Address", address, description="Where it is reached."),
        column("Ports", ports, description="Ports it opens."),
        AGE,
    ),
    conversions=(oldversions.ingress("networking.k8s.io"), oldversions.ingress("extensions")),
    needs_controller=True,
)
