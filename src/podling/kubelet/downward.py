"""The downward API: what a Pod may learn of itself, in variables and files.

`fieldRef` and `resourceFieldRef` have the same meaning in `env` and in downwardAPI volumes; only a few fields are for
one of them. (Kubernetes documentation, "Downward API".)
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.references import ResourceFieldSelector
from podling.api.quantity import parse
from podling.kubelet.podstate import AnyContainer, declared

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.*)'\]$")

_ESCAPES = {'"': '\\"', "\\": "\\\\"} | dict(zip("\a\b\f\n\r\t\v", map("\\{}".format, "abfnrtv"), strict=True))


class NodeFacts(msgspec.Struct, frozen=True):
    """What Pods may see of their node; allocatable resources stand in for limits that were not given."""

    name: str
    ip: str
    allocatable: Mapping[str, str]


def field(pod: Pod, path: str, pod_ip: str, node: NodeFacts) -> str:
    """The value of a fieldRef. Raises ValueError for a path that is not served."""
    match = _SUBSCRIPT.match(path)
    if match is not None:
        values = pod.metadata.labels if match[1] == "labels" else pod.metadata.annotations
        return values.get(match[2], "")
    meta = pod.metadata
    simple = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "spec.nodeName": node.name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": node.ip,
        "status.hostIPs": node.ip,
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
    }
    if path in simple:
        return simple[path]
    if path in ("metadata.labels", "metadata.annotations"):
        return _lines(meta.labels if path.endswith("labels") else meta.annotations)
    raise ValueError(f"unsupported fieldPath: {path}")


def _lines(values: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={_quoted(values[key])}" for key in sorted(values))


def _quoted(text: str) -> str:
    """As Go's %q writes it."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def resource(pod: Pod, container: AnyContainer | None, ref: ResourceFieldSelector, node: NodeFacts) -> str:
    """The value of a resourceFieldRef in units of its divisor, rounded up. Raises ValueError."""
    if ref.container_name:
        container = declared(pod, ref.container_name)
    if container is None:
        raise ValueError(f"container {ref.container_name} not found")
    kind, _, name = ref.resource.partition(".")
    given = {"limits": container.resources.limits, "requests": container.resources.requests}.get(kind)
    if given is None or not name:
        raise ValueError(f"unsupported container resource: {ref.resource}")
    value = given.get(name) or container.resources.limits.get(name)
    if value is None and kind == "limits":
        value = node.allocatable.get(name)
    divisor = parse(ref.divisor if ref.divisor not in ("", "0") else "1")
    return str(-(-parse(value or "0").nano // divisor.nano))
