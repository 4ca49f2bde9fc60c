"""Roles of everybody, and of the parts of a cluster that are no controllers."""

from __future__ import annotations

from .words import ACCESS_REVIEWS, EVENTS, READ, TOKEN_REVIEWS, Role, rule, urls

_CSR = "certificatesigningrequests"

NODE_RULES = (
    TOKEN_REVIEWS,
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews"),
    rule(READ, "core", "services"),
    rule("create get list watch", "core", "nodes"),
    rule("patch update", "core", "nodes/status"),
    rule("patch update", "core", "nodes"),
    rule("create patch update", "core", "events"),
    rule(READ, "core", "pods"),
    rule("create delete", "core", "pods"),
    rule("patch update", "core", "pods/status"),
    rule("create", "core", "pods/eviction"),
    rule(READ, "core", "configmaps secrets"),
    rule("get", "core", "persistentvolumeclaims persistentvolumes"),
    rule("get", "core", "endpoints"),
    rule("create get list watch", "certificates.k8s.io", _CSR),
    rule("create delete get patch update", "coordination.k8s.io", "leases"),
    rule("get", "storage.k8s.io", "volumeattachments"),
    rule("create", "core", "serviceaccounts/token"),
    rule("get patch update", "core", "persistentvolumeclaims/status"),
    rule(READ, "storage.k8s.io", "csidrivers"),
    rule("create delete get patch update", "storage.k8s.io", "csinodes"),
    rule(READ, "node.k8s.io", "runtimeclasses"),
    rule(READ, "certificates.k8s.io", "clustertrustbundles"),
    rule("create get list watch", "certificates.k8s.io", "podcertificaterequests"),
)

_SCHEDULER = (
    EVENTS,
    rule("create", "coordination.k8s.io", "leases"),
    rule("get update", "coordination.k8s.io", "leases", "kube-scheduler"),
    rule(READ, "core", "nodes"),
    rule("delete get list watch", "core", "pods"),
    rule("create", "core", "bindings pods/binding"),
    rule("patch update", "core", "pods/status"),
    rule(READ, "core", "replicationcontrollers services"),
    rule(READ, "apps extensions", "replicasets"),
    rule(READ, "apps", "statefulsets"),
    rule(READ, "policy", "poddisruptionbudgets"),
    rule(READ, "core", "persistentvolumeclaims persistentvolumes"),
    TOKEN_REVIEWS,
    ACCESS_REVIEWS,
    rule(READ, "storage.k8s.io", "csinodes"),
    rule(READ, "core", "namespaces"),
    rule(READ, "storage.k8s.io", "csidrivers"),
    rule(READ, "storage.k8s.io", "csistoragecapacities"),
    rule(READ, "resource.k8s.io", "deviceclasses devicetaintrules resourceslices"),
    rule("get list patch update watch", "resource.k8s.io", "resourceclaims"),
    rule("patch update", "resource.k8s.io", "resourceclaims/status"),
)

_MANAGER = (
    EVENTS,
    rule("create", "coordination.k8s.io", "leases"),
    rule("get update", "coordination.k8s.io", "leases", "kube-controller-manager"),
    rule("create", "core", "secrets serviceaccounts"),
    rule("delete", "core", "secrets"),
    rule("get", "core", "configmaps namespaces secrets serviceaccounts"),
    rule("update", "core", "secrets serviceaccounts"),
    TOKEN_REVIEWS,
    ACCESS_REVIEWS,
    rule("list watch", "*", "*"),
    rule("create", "core", "serviceaccounts/token"),
)

_PROVISIONER = (
    rule("create delete get list watch", "core", "persistentvolumes"),
    rule("get list update watch", "core", "persistentvolumeclaims"),
    rule(READ, "storage.k8s.io", "storageclasses"),
    rule("watch", "core", "events"),
    EVENTS,
)


def _approver(name: str, signer: str) -> Role:
    return Role(f"system:certificates.k8s.io:{name}", (rule("approve", "certificates.k8s.io", "signers", signer),))


ROLES = (
    Role("system:auth-delegator", (TOKEN_REVIEWS, ACCESS_REVIEWS)),
    Role(
        "system:basic-user",
        (
            rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
            rule("create", "authentication.k8s.io", "selfsubjectreviews"),
        ),
    ),
    Role(
        f"system:certificates.k8s.io:{_CSR}:nodeclient", (rule("create", "certificates.k8s.io", f"{_CSR}/nodeclient"),)
    ),
    Role(
        f"system:certificates.k8s.io:{_CSR}:selfnodeclient",
        (rule("create", "certificates.k8s.io", f"{_CSR}/selfnodeclient"),),
    ),
    _approver("kube-apiserver-client-approver", "kubernetes.io/kube-apiserver-client"),
    _approver("kube-apiserver-client-kubelet-approver", "kubernetes.io/kube-apiserver-client-kubelet"),
    _approver("kubelet-serving-approver", "kubernetes.io/kubelet-serving"),
    _approver("legacy-unknown-approver", "kubernetes.io/legacy-unknown"),
    Role(
        "system:discovery",
        (urls("/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"),),
    ),
    Role(
        "system:heapster",
        (rule(READ, "core", "events namespaces nodes pods"), rule(READ, "extensions", "deployments")),
    ),
    Role("system:kube-aggregator", (rule(READ, "core", "endpoints services"),)),
    Role("system:kube-controller-manager", _MANAGER),
    Role("system:kube-dns", (rule("list watch", "core", "endpoints services"),)),
    Role("system:kube-scheduler", _SCHEDULER),
    Role(
        "system:kubelet-api-admin",
        (
            rule(READ, "core", "nodes"),
            rule("proxy", "core", "nodes"),
            rule("*", "core", "nodes/log nodes/metrics nodes/proxy nodes/stats"),
        ),
    ),
    Role(
        "system:monitoring",
        (urls("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),),
    ),
    Role("system:node", NODE_RULES),
    Role("system:node-bootstrapper", (rule("create get list watch", "certificates.k8s.io", _CSR),)),
    Role(
        "system:node-problem-detector",
        (rule("get", "core", "nodes"), rule("patch", "core", "nodes/status"), EVENTS),
    ),
    Role(
        "system:node-proxier",
        (
            rule("list watch", "core", "endpoints services"),
            rule(READ, "core", "nodes"),
            EVENTS,
            rule("list watch", "discovery.k8s.io", "endpointslices"),
        ),
    ),
    Role("system:persistent-volume-provisioner", _PROVISIONER),
    Role(
        "podling:node-policies",
        (rule("list watch", "core", "namespaces pods"), rule("list watch", "networking.k8s.io", "networkpolicies")),
    ),
    # A node removes the data of volumes that the cluster made there, and takes off the finalizer that waits for it.
    Role("podling:node-volumes", (rule("get list patch watch", "core", "persistentvolumes"),)),
    Role("system:public-info-viewer", (urls("/healthz /livez /readyz /version /version/"),)),
    Role(
        "system:service-account-issuer-discovery",
        (urls("/.well-known/openid-configuration /openid/v1/jwks"),),
    ),
    Role(
        "system:volume-scheduler",
        (
            rule("get list patch update watch", "core", "persistentvolumes"),
            rule(READ, "storage.k8s.io", "storageclasses"),
            rule("get list patch update watch", "core", "persistentvolumeclaims"),
        ),
    ),
    Role(
        "extension-apiserver-authentication-reader",
        (rule(READ, "core", "configmaps", "extension-apiserver-authentication"),),
        namespace="kube-system",
    ),
    *(
        Role(
            f"system::leader-locking-{name}",
            (
                rule("create get list update watch", "coordination.k8s.io", "leases"),
                rule("create get list update watch", "coordination.k8s.io", "leasecandidates"),
            ),
            namespace="kube-system",
        )
        for name in ("kube-controller-manager", "kube-scheduler")
    ),
)
