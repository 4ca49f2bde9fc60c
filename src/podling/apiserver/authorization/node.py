"""What a node may: its own Node, Lease and Pods, and what those Pods name (documentation, "Using Node Authorization").

A node is the user `system:node:NAME` in the group `system:nodes`. What a rule cannot say is decided here from the
Pods that are on it; for the rest it has the rules of the ClusterRole `system:node`, bound or not. Which content a node
may write is for the admission plugin NodeRestriction to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from podling.api.objects import key_of
from podling.apiserver.authorization.podreferences import PODS, referenced
from podling.apiserver.authorization.policy.components import NODE_RULES
from podling.apiserver.authorization.question import Decision, Question, Rights, selected
from podling.apiserver.authorization.rules import allows
from podling.apiserver.message import User
from podling.storage.watchcache import WatchCache

PREFIX, GROUP = "system:node:", "system:nodes"
LEASES = "kube-node-lease"
READ = ("get", "list", "watch")
ALLOWED = Decision(True)
Verdict = Decision | None
"""None: nothing special about it, the rules decide."""


def node_of(user: User) -> str | None:
    """The name of the node that a user is; None for users that are none."""
    if not user.name.startswith(PREFIX) or GROUP not in user.groups:
        return None
    return user.name[len(PREFIX) :]


class NodeAuthorizer:
    def __init__(self, cache: WatchCache) -> None:
        self._cache = cache
        self._special: Mapping[tuple[str, str], Callable[[str, Question], Verdict]] = {
            ("", "secrets"): self._named_by_a_pod,
            ("", "configmaps"): self._named_by_a_pod,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._volume,
            ("", "serviceaccounts"): self._token,
            ("", "nodes"): _own_node,
            ("", "pods"): self._pods,
            ("certificates.k8s.io", "podcertificaterequests"): self._certificate,
            ("storage.k8s.io", "volumeattachments"): self._attachment,
            ("storage.k8s.io", "csinodes"): _own_name,
            ("coordination.k8s.io", "leases"): _own_lease,
        }

    def decide(self, question: Question) -> Decision:
        node = node_of(question.user)
        if node is None:
            return Decision(False)
        if not node:
            return Decision(False, f'unknown node for user "{question.user.name}"')
        special = self._special.get((question.group, question.resource))
        if special is not None and not question.path and (verdict := special(node, question)) is not None:
            return verdict
        return Decision(any(allows(rule, question) for rule in NODE_RULES))

    def rights(self, user: User, namespace: str) -> Rights:
        if node_of(user) is None:
            return Rights()
        return Rights((), ("node authorizer does not support user rule resolution",))

    def _named_by_a_pod(self, node: str, question: Question) -> Verdict:
        if question.verb not in READ or question.subresource:
            return Decision(False, "can only read resources of this type")
        if not question.namespace:
            return Decision(False, "can only read namespaced object of this type")
        return self._related(node, question)

    def _related(self, node: str, question: Question) -> Decision:
        if not question.name:
            return Decision(False, "No Object name found")
        if referenced(self._cache, node, question.namespace, question.resource, question.name):
            return ALLOWED
        return _unrelated(node)

    def _claim(self, node: str, question: Question) -> Verdict:
        if question.subresource == "status" and question.verb in ("get", "update", "patch"):
            return self._related(node, question)
        if question.verb == "get" and not question.subresource:
            return self._related(node, question)
        return Decision(False, "can only get individual resources of this type")

    def _volume(self, node: str, question: Question) -> Verdict:
        if question.verb != "get" or question.subresource:
            return Decision(False, "can only get individual resources of this type")
        found = self._cache.get(key_of("", "persistentvolumes", "", question.name))
        claim = (found.json().get("spec") or {}).get("claimRef") or {} if found is not None else {}
        namespace, name = claim.get("namespace", ""), claim.get("name", "")
        related = referenced(self._cache, node, namespace, "persistentvolumeclaims", name)
        return ALLOWED if related else _unrelated(node)

    def _attachment(self, node: str, question: Question) -> Verdict:
        if question.verb != "get" or question.subresource:
            return Decision(False, "can only get individual resources of this type")
        found = self._cache.get(key_of(question.group, question.resource, "", question.name))
        own = found is not None and (found.json().get("spec") or {}).get("nodeName") == node
        return ALLOWED if own else _unrelated(node)

    def _token(self, node: str, question: Question) -> Verdict:
        if question.verb == "get" and not question.subresource:
            return self._related(node, question)
        if question.verb != "create" or question.subresource != "token":
            return Decision(False, "can only create tokens for individual service accounts")
        return self._related(node, question)

    def _certificate(self, node: str, question: Question) -> Verdict:
        if question.subresource:
            return Decision(False, "can only create, get, list and watch podcertificaterequests")
        if question.verb == "create":
            # Which ones is for admission to say.
            return ALLOWED
        if question.verb == "get":
            found = self._cache.get(key_of(question.group, question.resource, question.namespace, question.name))
            own = found is not None and found.head.fields.get("spec.nodeName") == node
            return ALLOWED if own else _unrelated(node)
        if question.verb not in READ:
            return Decision(False, "can only create, get, list and watch podcertificaterequests")
        if selected(question.field_selector, "spec.nodeName") == node:
            return ALLOWED
        return Decision(False, "can only list/watch podcertificaterequests with spec.nodeName field selector")

    def _pods(self, node: str, question: Question) -> Verdict:
        if question.subresource or question.verb not in READ:
            return None
        if question.verb == "get":
            found = self._cache.get(f"{PODS}{question.namespace}/{question.name}")
            own = found is not None and found.head.fields.get("spec.nodeName") == node
            return ALLOWED if own else _unrelated(node)
        if selected(question.field_selector, "spec.nodeName") == node:
            return ALLOWED
        return Decision(False, "can only list/watch pods with spec.nodeName field selector")


def _own_node(node: str, question: Question) -> Verdict:
    if question.subresource or question.verb not in READ or question.name == node:
        return None
    if not question.name:
        return Decision(False, f"node '{node}' cannot read all nodes, only its own Node object")
    return Decision(False, f"node '{node}' cannot read '{question.name}', only its own Node object")


def _own_name(node: str, question: Question) -> Verdict:
    if question.verb in ("list", "watch", "deletecollection") or question.subresource:
        return Decision(False, "can only get, create, update, patch, or delete a CSINode")
    # A create does not say the name in its path; admission looks at the object.
    if question.name in ("", node):
        return ALLOWED
    return Decision(False, "can only access CSINode with the same name as the requesting node")


def _own_lease(node: str, question: Question) -> Verdict:
    if question.verb not in ("get", "create", "update", "patch", "delete"):
        return Decision(False, "can only get, create, update, patch, or delete a node lease")
    if question.namespace != LEASES:
        return Decision(False, f'can only access leases in the "{LEASES}" system namespace')
    if question.name == node or (question.verb == "create" and not question.name):
        return ALLOWED
    return Decision(False, "can only access node lease with the same name as the requesting node")


def _unrelated(node: str) -> Decision:
    return Decision(False, f"no relationship found between node '{node}' and this object")
