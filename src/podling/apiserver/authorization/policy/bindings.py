"""Who has which role from the first second."""

from __future__ import annotations

from .controllers import RULES, TOGETHER
from .words import Binding, Role, account, group, user

MANAGER, SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
_EVERYBODY = (group("system:authenticated"), group("system:unauthenticated"))

# DNS and proxy of a node live in its node process and speak to the API as the node.
NODE_NETWORK = "podling:node-network"
# What enforces network policies on a node has to know all Pods, so it speaks under a name of its own.
NODE_POLICIES, NODE_NETWORKS = "podling:node-policies", "podling:node-networks"
NODE_VOLUMES = "podling:node-volumes"

BINDINGS = (
    Binding("cluster-admin", "cluster-admin", (group("system:masters"),)),
    Binding("system:basic-user", "system:basic-user", (group("system:authenticated"),)),
    Binding("system:discovery", "system:discovery", (group("system:authenticated"),)),
    Binding("system:kube-controller-manager", "system:kube-controller-manager", (user(MANAGER),)),
    Binding("system:kube-dns", "system:kube-dns", (account("kube-dns"),)),
    Binding("system:kube-scheduler", "system:kube-scheduler", (user(SCHEDULER),)),
    Binding("system:monitoring", "system:monitoring", (group("system:monitoring"),)),
    Binding("system:node", "system:node"),
    Binding("system:node-proxier", "system:node-proxier", (user("system:kube-proxy"),)),
    Binding("system:public-info-viewer", "system:public-info-viewer", _EVERYBODY),
    Binding(
        "system:service-account-issuer-discovery",
        "system:service-account-issuer-discovery",
        (group("system:serviceaccounts"),),
    ),
    Binding("system:volume-scheduler", "system:volume-scheduler", (user(SCHEDULER),)),
    *(Binding(f"system:controller:{name}", f"system:controller:{name}", (account(name),)) for name in RULES),
    Binding(TOGETHER, TOGETHER, (user(MANAGER),)),
    Binding(NODE_NETWORK, "system:node-proxier", (group("system:nodes"),)),
    Binding(NODE_POLICIES, NODE_POLICIES, (group(NODE_NETWORKS),)),
    Binding(NODE_VOLUMES, NODE_VOLUMES, (group("system:nodes"),)),
    Binding(
        "system::extension-apiserver-authentication-reader",
        "extension-apiserver-authentication-reader",
        (user(MANAGER), user(SCHEDULER)),
        namespace="kube-system",
    ),
    Binding(
        "system::leader-locking-kube-controller-manager",
        "system::leader-locking-kube-controller-manager",
        (user(MANAGER), account("kube-controller-manager")),
        namespace="kube-system",
    ),
    Binding(
        "system::leader-locking-kube-scheduler",
        "system::leader-locking-kube-scheduler",
        (user(SCHEDULER), account("kube-scheduler")),
        namespace="kube-system",
    ),
)


def kind_of(wanted: Role | Binding) -> str:
    """The kind that a role or binding is in the API."""
    kind = "Role" if isinstance(wanted, Role) else "RoleBinding"
    return kind if wanted.namespace else f"Cluster{kind}"
