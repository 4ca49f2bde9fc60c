"""A node asks for certificates only for Pods that run on it, as what they are, and of signers they name.

Otherwise a node could be given the identity of any Pod (Kubernetes documentation, "Admission Controllers",
NodeRestriction; KEP-4317). What may only be news that has not arrived yet is no refusal for good: the node asks again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from podling.api.errors import Forbidden, InternalError, forbidden
from podling.api.objects import key_of
from podling.apiserver.admission.attempt import Attempt
from podling.apiserver.authorization.question import Authorizer, Question
from podling.storage.watchcache import WatchCache

Json = dict[str, Any]
GROUP = "certificates.k8s.io"
MIRROR = "kubernetes.io/config.mirror"
ANY_SIGNER = "request-serviceaccounts-podcertificate-signer"


def rule(cache: WatchCache, authorizer: Authorizer) -> Callable[[str, Attempt], None]:
    """(node, attempt) → None; raises Forbidden or InternalError."""

    def check(node: str, attempt: Attempt) -> None:
        if attempt.operation != "CREATE":
            raise _no(attempt, f"unexpected operation {attempt.operation}")
        if attempt.subresource:
            raise _no(attempt, f"unexpected subresource {attempt.subresource}")
        _node(cache, node, attempt)
        pod = _pod(cache, node, attempt)
        _account(cache, pod, attempt)
        _signer(authorizer, pod, attempt)

    return check


def _node(cache: WatchCache, node: str, attempt: Attempt) -> None:
    named = _said(attempt, "nodeName")
    if named != node:
        text = f"PodCertificateRequest.Spec.NodeName={_q(named)}, which is not the requesting node {_q(node)}"
        raise _no(attempt, text)
    found = cache.get(key_of("", "nodes", "", node))
    if found is None:
        raise InternalError(
            f'while retrieving node {_q(node)} named in the PodCertificateRequest: node "{node}" not found'
        )
    if found.head.uid != _said(attempt, "nodeUID"):
        raise InternalError(
            f"PodCertificateRequest for pod {_where(attempt)} names node UID {_q(_said(attempt, 'nodeUID'))}, "
            f"inconsistent with the running node ({_q(found.head.uid)})"
        )


def _pod(cache: WatchCache, node: str, attempt: Attempt) -> Json:
    where, name = _where(attempt), _said(attempt, "podName")
    found = cache.get(key_of("", "pods", attempt.namespace, name))
    if found is None:
        raise InternalError(f'while retrieving pod {where} named in the PodCertificateRequest: pod "{name}" not found')
    if found.head.uid != _said(attempt, "podUID"):
        raise InternalError(
            f"PodCertificateRequest for pod {where} contains pod UID ({_q(_said(attempt, 'podUID'))}) "
            f"which differs from running pod {_q(found.head.uid)}"
        )
    pod = found.json()
    if MIRROR in (pod["metadata"].get("annotations") or {}):
        raise _no(attempt, f"pod {where} is a mirror pod")
    if pod["spec"].get("nodeName", "") != node:
        raise _no(attempt, f"pod {where} is not running on node {_q(node)} named in the PodCertificateRequest")
    return pod


def _account(cache: WatchCache, pod: Json, attempt: Attempt) -> None:
    where, name = _where(attempt), _said(attempt, "serviceAccountName")
    own = pod["spec"].get("serviceAccountName", "")
    if name != own:
        text = f"contains serviceAccountName ({_q(name)}) that differs from running pod ({_q(own)})"
        raise _no(attempt, f"PodCertificateRequest for pod {where} {text}")
    found = cache.get(key_of("", "serviceaccounts", attempt.namespace, name))
    uid = _said(attempt, "serviceAccountUID")
    if found is None:
        text = f"while retrieving service account named in the PodCertificateRequest for pod {where}"
        raise InternalError(f'{text}: serviceaccount "{name}" not found')
    if found.head.uid != uid:
        raise InternalError(
            f"PodCertificateRequest for pod {where} names service account UID {_q(uid)}, "
            f"which differs from the running service account ({_q(found.head.uid)})"
        )


def _signer(authorizer: Authorizer, pod: Json, attempt: Attempt) -> None:
    """One that a volume of the Pod names, unless the node may ask for any."""
    signer = _said(attempt, "signerName")
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if (source.get("podCertificate") or {}).get("signerName") == signer:
                return
    account = pod["spec"].get("serviceAccountName", "")
    resource = signer.replace("/", ":")
    question = Question(attempt.request.user, ANY_SIGNER, GROUP, resource, namespace=attempt.namespace, name=account)
    if not authorizer.decide(question).allowed:
        text = f"does not mount a podCertificate projected volume for signer {_q(signer)}"
        raise _no(attempt, f"pod {_where(attempt)} {text}")


def _said(attempt: Attempt, name: str) -> str:
    return str((attempt.obj.get("spec") or {}).get(name, ""))


def _where(attempt: Attempt) -> str:
    return _q(f"{attempt.namespace}/{_said(attempt, 'podName')}")


def _q(text: str) -> str:
    return json.dumps(text)


def _no(attempt: Attempt, why: str) -> Forbidden:
    return forbidden("podcertificaterequests", attempt.obj["metadata"].get("name", ""), why, GROUP)
