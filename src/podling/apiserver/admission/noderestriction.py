"""A node writes only what is its own: its Node, its Lease, its Pods' status, tokens for its Pods.

The Node authorizer decides by names; here the content is looked at (Kubernetes documentation, "Admission Controllers",
NodeRestriction). Labels with the prefix `node-restriction.kubernetes.io/` are the administrators' alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from podling.api.errors import Forbidden, forbidden, not_found
from podling.api.objects import key_of
from podling.apiserver.admission import nodepodcertificates
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.authorization.node import LEASES, node_of
from podling.apiserver.authorization.podreferences import references
from podling.apiserver.authorization.question import Authorizer
from podling.apiserver.message import User
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
_OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)
_REFERENCES = {
    "serviceaccounts": "a service account",
    "secrets": "secrets",
    "configmaps": "configmaps",
    "persistentvolumeclaims": "persistentvolumeclaims",
}
_OWN_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction:
    subresources = True

    def __init__(self, cache: WatchCache, authorizer: Authorizer) -> None:
        certificates = (nodepodcertificates.GROUP, "PodCertificateRequest")
        self._rules = {**_RULES, certificates: nodepodcertificates.rule(cache, authorizer)}

    async def admit(self, attempt: Attempt) -> None:
        """Subresources too."""
        node = node_of(attempt.request.user)
        if node is None:
            return
        kind = attempt.served.kind
        if rule := self._rules.get((kind.group, kind.kind)):
            rule(node, attempt)


def _pod(node: str, attempt: Attempt) -> None:
    on = ((attempt.old or attempt.obj).get("spec") or {}).get("nodeName", "")
    if attempt.subresource == "eviction":
        if on != node:
            raise _no(attempt, f'node "{node}" can only evict pods with spec.nodeName set to itself')
    elif attempt.subresource == "status":
        if on != node:
            raise _no(attempt, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself')
        if attempt.old and _labels(attempt.obj) != _labels(attempt.old):
            raise _no(attempt, f'node "{node}" cannot update labels through pod status')
    elif attempt.operation == "DELETE":
        if on != node:
            raise _no(attempt, f'node "{node}" can only delete pods with spec.nodeName set to itself')
    elif attempt.operation == "CREATE":
        _mirror(node, attempt, on)
    elif not attempt.subresource:
        raise _no(
            attempt, f'unexpected operation "{attempt.operation}", node "{node}" can only create and delete mirror pods'
        )


def _mirror(node: str, attempt: Attempt, on: str) -> None:
    if MIRROR not in (attempt.obj["metadata"].get("annotations") or {}):
        raise _no(attempt, f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods')
    if on != node:
        raise _no(attempt, f'node "{node}" can only create pods with spec.nodeName set to itself')
    named = {resource for resource, name in references(orjson.dumps(attempt.obj)) if name}
    for resource, text in _REFERENCES.items():
        if resource in named:
            raise _no(attempt, f'node "{node}" can not create pods that reference {text}')
    owners = attempt.obj["metadata"].get("ownerReferences") or []
    own = {"apiVersion": "v1", "kind": "Node", "name": node}
    if len(owners) != 1 or any(owners[0].get(key) != value for key, value in own.items()):
        raise _no(attempt, f'node "{node}" can only create pods with an owner reference set to itself')
    if not owners[0].get("controller"):
        raise _no(attempt, f'node "{node}" can only create pods with a controller owner reference set to itself')
    if owners[0].get("blockOwnerDeletion"):
        raise _no(attempt, f'node "{node}" must not set blockOwnerDeletion on an owner reference')


def check_token(cache: WatchCache, user: User, namespace: str, account: str, bound: Mapping[str, Any]) -> None:
    """Raises Forbidden where a node asks for a token that is not for one of its Pods of that account."""
    node = node_of(user)
    if node is None:
        return

    def refuse(why: str) -> Forbidden:
        return forbidden("serviceaccounts", account, why)

    if bound.get("kind") != "Pod" or not bound.get("name"):
        raise refuse("node requested token not bound to a pod")
    if not bound.get("uid"):
        raise refuse("node requested token with a pod binding without a uid")
    found = cache.get(key_of("", "pods", namespace, str(bound["name"])))
    if found is None:
        raise not_found("pods", str(bound["name"]))
    if found.head.uid != bound["uid"]:
        raise refuse("the UID in the bound object reference does not match the UID in record")
    if found.head.fields.get("spec.nodeName") != node:
        raise refuse("node requested token bound to a pod scheduled on a different node")
    if ("serviceaccounts", account) not in references(found.raw):
        raise refuse("node requested token for a service account that the pod does not use")


def _node(node: str, attempt: Attempt) -> None:
    name = attempt.obj["metadata"].get("name", "")
    if name != node:
        raise _no(attempt, f'node "{node}" is not allowed to modify node "{name}"')
    if attempt.operation == "DELETE":
        return
    old = attempt.old or {}
    changed = {key for key, _ in _labels(attempt.obj).items() ^ _labels(old).items()}
    if refused := sorted(label for label in changed if _foreign(label)):
        verb = "set" if attempt.operation == "CREATE" else "modify"
        said = "the following labels" if verb == "set" else "labels"
        raise _no(attempt, f'node "{node}" is not allowed to {verb} {said}: {", ".join(refused)}')
    if attempt.operation == "UPDATE" and _taints(attempt.obj) != _taints(old):
        raise _no(attempt, f'node "{node}" is not allowed to modify taints')


def _foreign(label: str) -> bool:
    """Of Kubernetes' own names, all but those a kubelet sets itself."""
    domain, slash, _ = label.partition("/")
    if not slash or label in _OWN_LABELS:
        return False
    if any(domain == each or domain.endswith(f".{each}") for each in _OWN_DOMAINS):
        return False
    return domain in ("kubernetes.io", "k8s.io") or domain.endswith((".kubernetes.io", ".k8s.io"))


def _lease(node: str, attempt: Attempt) -> None:
    if attempt.namespace != LEASES:
        raise _no(attempt, f'can only access leases in the "{LEASES}" system namespace')
    if attempt.obj["metadata"].get("name") != node:
        raise _no(attempt, "can only access node lease with the same name as the requesting node")


def _same_name(node: str, attempt: Attempt) -> None:
    if attempt.obj["metadata"].get("name") != node:
        raise _no(attempt, "can only access CSINode with the same name as the requesting node")


def _labels(obj: Json) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}


def _taints(node: Json) -> list[Json]:
    return (node.get("spec") or {}).get("taints") or []


def _no(attempt: Attempt, why: str) -> Forbidden:
    entry = attempt.served.entry
    return forbidden(entry.plural, attempt.obj["metadata"].get("name", ""), why, entry.group)


_RULES: Mapping[tuple[str, str], Callable[[str, Attempt], None]] = {
    ("", "Pod"): _pod,
    ("", "Node"): _node,
    ("coordination.k8s.io", "Lease"): _lease,
    ("storage.k8s.io", "CSINode"): _same_name,
}
