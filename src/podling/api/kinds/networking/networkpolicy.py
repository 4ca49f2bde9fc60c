"""NetworkPolicy.

Which Pods may talk to which.
"""

from __future__ import annotations

from ipaddress import ip_network

from podling.api import names
from podling.api.errors import Cause
from podling.api.kinds import causes, rules
from podling.api.kinds.cells import AGE, NAME, at, column, selector_text
from podling.api.kinds.core.containerrules import PROTOCOLS
from podling.api.kinds.kind import Json, Kind, Strategy
from podling.api.kinds.versions import same_shape


def defaults(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def validate(obj: Json) -> list[Cause]:
    spec = obj.get("spec") or {}
    found = rules.label_selector("spec.podSelector", spec.get("podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            here = f"spec.{direction}[{index}]"
            for number, port in enumerate(rule.get("ports") or ()):
                found += _port(f"{here}.ports[{number}]", port)
            for number, peer in enumerate(rule.get(peers) or ()):
                found += _peer(f"{here}.{peers}[{number}]", peer)
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        return [*found, causes.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
    for index, kind in enumerate(types):
        found += rules.one_of(f"spec.policyTypes[{index}]", kind, ("Ingress", "Egress"))
    return found


def _port(path: str, port: Json) -> list[Cause]:
    number, last = port.get("port"), port.get("endPort")
    found = rules.one_of(f"{path}.protocol", port.get("protocol"), PROTOCOLS)
    if number is not None:
        found += rules.port(f"{path}.port", number)
    if last is None:
        return found
    if number is None:
        found.append(causes.required(f"{path}.port", "must be specified when `endPort` is specified"))
    elif isinstance(number, str):
        text = "may not be specified when `port` is non-numeric"
        found.append(causes.invalid(f"{path}.endPort", last, text))
    elif last < number:
        found.append(causes.invalid(f"{path}.endPort", number, "must be greater than or equal to `port`"))
    return found


def _peer(path: str, peer: Json) -> list[Cause]:
    found: list[Cause] = []
    for name in ("podSelector", "namespaceSelector"):
        found += rules.label_selector(f"{path}.{name}", peer.get(name))
    block = peer.get("ipBlock")
    if block is not None:
        found += rules.named(f"{path}.ipBlock.cidr", block.get("cidr", ""), names.cidr)
        for index, text in enumerate(block.get("except") or ()):
            here = f"{path}.ipBlock.except[{index}]"
            wrong = names.cidr(text)
            found += rules.all_invalid(here, text, wrong)
            if not wrong and not names.cidr(block.get("cidr", "")) and not _inside(text, block["cidr"]):
                found.append(causes.invalid(here, text, "must be a strict subset of `cidr`"))
        if peer.get("podSelector") is not None or peer.get("namespaceSelector") is not None:
            found.append(causes.forbidden(path, "may not specify both ipBlock and another peer"))
    elif peer.get("podSelector") is None and peer.get("namespaceSelector") is None:
        found.append(causes.required(path, "must specify a peer"))
    return found


def _inside(inner: str, outer: str) -> bool:
    small, big = ip_network(inner, strict=False), ip_network(outer, strict=False)
    if small.version != big.version:
        return False
    return small != big and small.subnet_of(big)  # type: ignore[arg-type]


KIND = Kind(
    "networking.k8s.io",
    "v1",
    "NetworkPolicy",
    defaults=defaults,
    validate=validate,
    strategy=Strategy(generation=True),
    columns=(
        NAME,
        column("Pod-Selector", lambda obj, _: selector_text(at(obj, "spec.podSelector")), description="Its Pods."),
        AGE,
    ),
    conversions=(same_shape("extensions", "v1beta1", defaults, "networking.k8s.io/v1"),),
    needs_controller=True,
)
