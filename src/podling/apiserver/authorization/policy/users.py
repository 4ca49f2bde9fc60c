"""Roles for people: cluster-admin, and admin, edit and view, which gather what carries their labels."""

from __future__ import annotations

from podling.api.kinds.rbac.views import PolicyRule

from .words import ALL_VERBS, READ, WRITE, Role, rule

ADMIN = "rbac.authorization.k8s.io/aggregate-to-admin"
EDIT = "rbac.authorization.k8s.io/aggregate-to-edit"
VIEW = "rbac.authorization.k8s.io/aggregate-to-view"

_WORKLOADS = (
    "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale "
    "statefulsets statefulsets/scale"
)

_OLD = (
    "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets "
    "replicasets/scale replicationcontrollers/scale"
)

_TO_ADMIN = (
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    rule(ALL_VERBS, "rbac.authorization.k8s.io", "rolebindings roles"),
)

_TO_EDIT = (
    rule(READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    rule("impersonate", "core", "serviceaccounts"),
    rule(WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    rule("create", "core", "pods/eviction"),
    rule(
        WRITE,
        "core",
        "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
        "serviceaccounts services services/proxy",
    ),
    rule("create", "core", "serviceaccounts/token"),
    rule(WRITE, "apps", _WORKLOADS),
    rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
    rule(WRITE, "batch", "cronjobs jobs"),
    rule(WRITE, "extensions", _OLD),
    rule(WRITE, "policy", "poddisruptionbudgets"),
    rule(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    rule(ALL_VERBS, "coordination.k8s.io", "leases"),
    rule(WRITE, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
)

_TO_VIEW = (
    rule(
        READ,
        "core",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers "
        "replicationcontrollers/scale serviceaccounts services services/status",
    ),
    rule(
        READ,
        "core",
        "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
        "resourcequotas resourcequotas/status",
    ),
    rule(READ, "core", "namespaces"),
    rule(READ, "discovery.k8s.io", "endpointslices"),
    rule(
        READ,
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status "
        "replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    ),
    rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    rule(
        READ,
        "extensions",
        "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status "
        "networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
    ),
    rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    rule(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    rule(READ, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
)

ROLES = (
    Role("cluster-admin", (rule("*", "*", "*"), PolicyRule(("*",), non_resource_urls=("*",)))),
    Role("admin", gathers=(ADMIN,)),
    Role("edit", labels=(ADMIN,), gathers=(EDIT,)),
    Role("view", labels=(EDIT,), gathers=(VIEW,)),
    Role("system:aggregate-to-admin", _TO_ADMIN, (ADMIN,)),
    Role("system:aggregate-to-edit", _TO_EDIT, (EDIT,)),
    Role("system:aggregate-to-view", _TO_VIEW, (VIEW,)),
    # Not kube-apiserver's, but what metrics-server brings along.
    Role("system:aggregated-metrics-reader", (rule(READ, "metrics.k8s.io", "nodes pods"),), (ADMIN, EDIT, VIEW)),
)
