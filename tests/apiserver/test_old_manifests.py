"""Manifests of old books through the real kubectl: taken as they are, kept as what they became, listed once."""

from __future__ import annotations

import pytest

from tests.apiserver.serving import KUBECTL, serving

pytestmark = pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl is not installed")

OLD = r"""
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: web.example.com
    http: {paths: [{path: /, backend: {serviceName: web, servicePort: 80}}]}
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "* * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  metrics: [{type: Resource, resource: {name: cpu, targetAverageUtilization: 50}}]
---
apiVersion: rbac.authorization.k8s.io/v1beta1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: apiextensions.k8s.io/v1beta1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  version: v1
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
  validation: {openAPIV3Schema: {properties: {spec: {properties: {replicas: {type: integer, minimum: 1}}}}}}
"""


async def test_manifests_of_old_books_are_applied_listed_once_and_deleted() -> None:
    async with serving() as api:
        applied = await api.kubectl("apply", "-f", "-", stdin=OLD)
        assert applied.code == 0, applied.err
        assert applied.out.splitlines()[:2] == ["deployment.extensions/web created", "ingress.extensions/web created"]
        told = "extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment"
        assert told in applied.err and applied.err.count("Warning:") == 7
        listed = (await api.kubectl("get", "all", "--no-headers")).out.splitlines()
        names = [line.split()[0] for line in listed if line]
        assert len(names) == len(set(names))
        assert {"deployment.apps/web", "cronjob.batch/tick", "horizontalpodautoscaler.autoscaling/web"} <= set(names)
        paths = "jsonpath={.apiVersion} {.spec.rules[0].http.paths[0].backend.service.port.number}"
        assert (await api.kubectl("get", "ingress", "web", "-o", paths)).out == "networking.k8s.io/v1 80"
        old = await api.kubectl("get", "ingresses.v1beta1.extensions", "web", "-o", "yaml")
        assert "serviceName: web" in old.out and "apiVersion: extensions/v1beta1" in old.out
        explained = await api.kubectl("explain", "ingress.spec.backend", "--api-version=extensions/v1beta1")
        assert "serviceName" in explained.out
        own = "{apiVersion: stable.example.com/v1, kind: CronTab, metadata: {name: a}, spec: {replicas: 2, other: x}}"
        made = await api.kubectl("create", "-f", "-", "-o", "jsonpath={.spec}", stdin=own)
        assert made.out == '{"other":"x","replicas":2}', made.err
        gone = await api.kubectl("delete", "-f", "-", stdin=OLD)
        assert gone.code == 0 and gone.out.count(" deleted") == 7, gone.err


async def test_the_current_profile_refuses_them() -> None:
    async with serving(profile="current") as api:
        applied = await api.kubectl("apply", "-f", "-", stdin=OLD)
        assert applied.code == 1
        assert 'no matches for kind "Deployment" in version "extensions/v1beta1"' in applied.err
