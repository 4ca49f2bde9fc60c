"""Roles of the controllers: each is a ClusterRole `system:controller:…`, given to the service account of its name.

Here all controllers run in one process under one name, so `podling:controllers` gathers what they need together and
is given to that user; whoever runs controllers of his own under service accounts finds upstream's roles as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from podling.api.kinds.rbac.views import PolicyRule

from .words import ACCESS_REVIEWS, EVENTS, READ, Role, distinct, rule

TOGETHER = "podling:controllers"
_OWN = "create delete get list patch update watch"
_PODS = rule("create delete list patch watch", "core", "pods")
_PODS_OF_STATUS = rule("patch update", "core", "pods/status")
_CSR = "certificatesigningrequests"

# What a controller has besides the right to tell events.
_TELLING: Mapping[str, tuple[PolicyRule, ...]] = {
    "attachdetach-controller": (
        rule("list watch", "core", "persistentvolumeclaims persistentvolumes"),
        rule(READ, "core", "nodes"),
        rule("patch update", "core", "nodes/status"),
        rule("list watch", "core", "pods"),
        rule("create delete get list watch", "storage.k8s.io", "volumeattachments"),
        rule(READ, "storage.k8s.io", "csidrivers csinodes"),
    ),
    "certificate-controller": (
        rule("delete get list watch", "certificates.k8s.io", _CSR),
        rule("update", "certificates.k8s.io", f"{_CSR}/approval {_CSR}/status"),
        rule("approve", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-client-kubelet"),
        rule(
            "sign",
            "certificates.k8s.io",
            "signers",
            "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet "
            "kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown",
        ),
        ACCESS_REVIEWS,
    ),
    "cronjob-controller": (
        rule("get list update watch", "batch", "cronjobs"),
        rule(_OWN, "batch", "jobs"),
        rule("update", "batch", "cronjobs/status"),
        rule("update", "batch", "cronjobs/finalizers"),
        rule("delete list watch", "core", "pods"),
    ),
    "daemon-set-controller": (
        rule(READ, "apps extensions", "daemonsets"),
        rule("update", "apps extensions", "daemonsets/status"),
        rule("update", "apps extensions", "daemonsets/finalizers"),
        rule("list watch", "core", "nodes"),
        _PODS,
        rule("create", "core", "pods/binding"),
        rule(_OWN, "apps", "controllerrevisions"),
    ),
    "deployment-controller": (
        rule("get list update watch", "apps extensions", "deployments"),
        rule("update", "apps extensions", "deployments/status"),
        rule("update", "apps extensions", "deployments/finalizers"),
        rule(_OWN, "apps extensions", "replicasets"),
        rule("get list update watch", "core", "pods"),
    ),
    "device-taint-eviction-controller": (
        rule("delete get list watch", "core", "pods"),
        _PODS_OF_STATUS,
        rule(READ, "resource.k8s.io", "devicetaintrules resourceclaims resourceslices"),
    ),
    "disruption-controller": (
        rule(READ, "apps extensions", "deployments"),
        rule(READ, "apps extensions", "replicasets"),
        rule(READ, "core", "replicationcontrollers"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule(READ, "apps", "statefulsets"),
        rule("update", "policy", "poddisruptionbudgets/status"),
        _PODS_OF_STATUS,
        rule("get", "*", "*/scale"),
    ),
    "endpoint-controller": (
        rule(READ, "core", "pods services"),
        rule("create delete get list update watch", "core", "endpoints"),
        rule("create", "core", "endpoints/restricted"),
    ),
    "endpointslice-controller": (
        rule(READ, "core", "nodes pods services"),
        rule("update", "core", "services/finalizers"),
        rule("create delete get list update watch", "discovery.k8s.io", "endpointslices"),
    ),
    "endpointslicemirroring-controller": (
        rule(READ, "core", "endpoints services"),
        rule("update", "core", "services/finalizers"),
        rule("update", "core", "endpoints/finalizers"),
        rule("create delete get list update watch", "discovery.k8s.io", "endpointslices"),
    ),
    "ephemeral-volume-controller": (
        rule(READ, "core", "pods"),
        rule("update", "core", "pods/finalizers"),
        rule("create get list watch", "core", "persistentvolumeclaims"),
    ),
    "generic-garbage-collector": (rule("delete get list patch update watch", "*", "*"),),
    "horizontal-pod-autoscaler": (
        rule(READ, "autoscaling", "horizontalpodautoscalers"),
        rule("update", "autoscaling", "horizontalpodautoscalers/status"),
        rule("get update", "*", "*/scale"),
        rule("list watch", "core", "pods"),
        rule("list watch", "metrics.k8s.io", "pods"),
        rule(READ, "custom.metrics.k8s.io", "*"),
        rule(READ, "external.metrics.k8s.io", "*"),
    ),
    "job-controller": (
        rule("get list patch update watch", "batch", "jobs"),
        rule("update", "batch", "jobs/status"),
        rule("update", "batch", "jobs/finalizers"),
        _PODS,
    ),
    "node-controller": (
        rule("delete get list patch update watch", "core", "nodes"),
        rule("patch update", "core", "nodes/status"),
        _PODS_OF_STATUS,
        rule("delete get list watch", "core", "pods"),
    ),
    "persistent-volume-binder": (
        rule("create delete get list update watch", "core", "persistentvolumes"),
        rule("update", "core", "persistentvolumes/status"),
        rule("get list update watch", "core", "persistentvolumeclaims"),
        rule("update", "core", "persistentvolumeclaims/status"),
        rule("create delete get list watch", "core", "pods"),
        rule(READ, "storage.k8s.io", "storageclasses"),
        rule("list watch", "core", "nodes"),
        rule("watch", "core", "events"),
    ),
    "pv-protection-controller": (rule("get list update watch", "core", "persistentvolumes"),),
    "pvc-protection-controller": (
        rule("get list update watch", "core", "persistentvolumeclaims"),
        rule("update", "core", "persistentvolumeclaims/status"),
        rule(READ, "core", "pods"),
    ),
    "volumeattributesclass-protection-controller": (
        rule(READ, "core", "persistentvolumeclaims persistentvolumes"),
        rule("get list update watch", "storage.k8s.io", "volumeattributesclasses"),
    ),
    "replicaset-controller": (
        rule("get list update watch", "apps extensions", "replicasets"),
        rule("update", "apps extensions", "replicasets/status"),
        rule("update", "apps extensions", "replicasets/finalizers"),
        _PODS,
    ),
    "replication-controller": (
        rule("get list update watch", "core", "replicationcontrollers"),
        rule("update", "core", "replicationcontrollers/status"),
        rule("update", "core", "replicationcontrollers/finalizers"),
        _PODS,
    ),
    "resource-claim-controller": (
        rule("get list update watch", "core", "pods"),
        rule("patch update", "core", "pods/status"),
        rule("update", "core", "pods/finalizers"),
        rule("create delete get list update watch", "resource.k8s.io", "resourceclaims"),
        rule("patch update", "resource.k8s.io", "resourceclaims/status"),
        rule(READ, "resource.k8s.io", "resourceclaimtemplates"),
    ),
    "resourcequota-controller": (rule("list watch", "*", "*"), rule("update", "core", "resourcequotas/status")),
    "root-ca-cert-publisher": (rule("create update", "core", "configmaps"),),
    "service-account-controller": (rule("create", "core", "serviceaccounts"),),
    "service-controller": (
        rule(READ, "core", "services"),
        rule("patch update", "core", "services/status"),
        rule("list watch", "core", "nodes"),
    ),
    "service-cidrs-controller": (
        rule("get list patch update watch", "networking.k8s.io", "servicecidrs"),
        rule("patch update", "networking.k8s.io", "servicecidrs/finalizers"),
        rule("patch update", "networking.k8s.io", "servicecidrs/status"),
        rule(READ, "networking.k8s.io", "ipaddresses"),
    ),
    "statefulset-controller": (
        rule("list watch", "core", "pods"),
        rule(READ, "apps", "statefulsets"),
        rule("update", "apps", "statefulsets/status"),
        rule("update", "apps", "statefulsets/finalizers"),
        rule("create delete get patch update", "core", "pods"),
        rule(_OWN, "apps", "controllerrevisions"),
        rule("create get list watch", "core", "persistentvolumeclaims"),
        rule("delete update", "core", "persistentvolumeclaims"),
        rule("update", "core", "pods/finalizers"),
    ),
    "ttl-after-finished-controller": (rule("delete get list watch", "batch", "jobs"),),
    "ttl-controller": (rule("list patch update watch", "core", "nodes"),),
}

_SILENT: Mapping[str, tuple[PolicyRule, ...]] = {
    "clusterrole-aggregation-controller": (
        rule("escalate get list patch update watch", "rbac.authorization.k8s.io", "clusterroles"),
    ),
    "legacy-service-account-token-cleaner": (
        rule("get", "core", "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
        rule("delete patch", "core", "secrets"),
    ),
    "kube-apiserver-serving-clustertrustbundle-publisher": (
        rule("attest", "certificates.k8s.io", "signers", "kubernetes.io/kube-apiserver-serving"),
        rule("create delete list update watch", "certificates.k8s.io", "clustertrustbundles"),
    ),
    "podcertificaterequestcleaner": (rule("delete get list watch", "certificates.k8s.io", "podcertificaterequests"),),
    "namespace-controller": (
        rule("delete get list watch", "core", "namespaces"),
        rule("update", "core", "namespaces/finalize namespaces/status"),
        rule("delete deletecollection get list watch", "*", "*"),
    ),
    "storage-version-migrator-controller": (
        rule("get list patch", "*", "*"),
        rule(READ, "apiextensions.k8s.io", "customresourcedefinitions"),
        rule("patch update", "apiextensions.k8s.io", "customresourcedefinitions/status"),
        rule(READ, "storagemigration.k8s.io", "storageversionmigrations"),
        rule("update", "storagemigration.k8s.io", "storageversionmigrations/status"),
    ),
    "pod-garbage-collector": (
        rule("delete list watch", "core", "pods"),
        rule(READ, "core", "nodes"),
        rule("patch", "core", "pods/status"),
    ),
}

RULES: Mapping[str, tuple[PolicyRule, ...]] = dict(
    sorted({**{name: (*rules, EVENTS) for name, rules in _TELLING.items()}, **_SILENT}.items())
)

ROLES = (
    *(Role(f"system:controller:{name}", rules) for name, rules in RULES.items()),
    Role(TOGETHER, distinct(each for rules in RULES.values() for each in rules)),
)
"""All of them."""
