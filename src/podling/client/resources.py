"""The resources that components of Podling themselves speak about, by name."""

from __future__ import annotations

from podling.client.transport import Resource

CONFIGMAPS = Resource("", "v1", "configmaps")
ENDPOINTS = Resource("", "v1", "endpoints")
EVENTS = Resource("", "v1", "events")
NAMESPACES = Resource("", "v1", "namespaces")
NODES = Resource("", "v1", "nodes")
PERSISTENTVOLUMECLAIMS = Resource("", "v1", "persistentvolumeclaims")
PERSISTENTVOLUMES = Resource("", "v1", "persistentvolumes")
PODS = Resource("", "v1", "pods")
REPLICATIONCONTROLLERS = Resource("", "v1", "replicationcontrollers")
RESOURCEQUOTAS = Resource("", "v1", "resourcequotas")
SECRETS = Resource("", "v1", "secrets")
SERVICEACCOUNTS = Resource("", "v1", "serviceaccounts")
SERVICES = Resource("", "v1", "services")
CONTROLLERREVISIONS = Resource("apps", "v1", "controllerrevisions")
DAEMONSETS = Resource("apps", "v1", "daemonsets")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
REPLICASETS = Resource("apps", "v1", "replicasets")
STATEFULSETS = Resource("apps", "v1", "statefulsets")
HORIZONTALPODAUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers")
CRONJOBS = Resource("batch", "v1", "cronjobs")
JOBS = Resource("batch", "v1", "jobs")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
ENDPOINTSLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
IPADDRESSES = Resource("networking.k8s.io", "v1", "ipaddresses")
SERVICECIDRS = Resource("networking.k8s.io", "v1", "servicecidrs")
PODDISRUPTIONBUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
CLUSTERROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles")
