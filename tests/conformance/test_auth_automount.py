"""sig-auth: who wants no token gets none; the Pod's word counts before its account's."""

from __future__ import annotations

import pytest

from tests.conformance.kube import Json, Kube

PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
SAID = {"default": None, "mount": True, "nomount": False}


@pytest.mark.conformance("[sig-auth] ServiceAccounts should allow opting out of API token automount [Conformance]")
def test_tokens_may_be_declined(kube: Kube, namespace: str) -> None:
    accounts, pods = kube.at("v1/serviceaccounts", namespace), kube.at("v1/pods", namespace)
    for name, said in SAID.items():
        body: Json = {"metadata": {"name": f"sa-{name}"}}
        accounts.create(body if said is None else body | {"automountServiceAccountToken": said})
    for account, by_account in SAID.items():
        for wish, by_pod in SAID.items():
            spec: Json = {"serviceAccountName": f"sa-{account}", "containers": [{"name": "c", "image": "runs"}]}
            spec |= {} if by_pod is None else {"automountServiceAccountToken": by_pod}
            made = pods.create({"metadata": {"name": f"pod-{account}-{wish}"}, "spec": spec})
            mounts = [each["mountPath"] for each in made["spec"]["containers"][0].get("volumeMounts", ())]
            wanted = by_pod if by_pod is not None else by_account is not False
            assert (PATH in mounts) is wanted, (account, wish)
