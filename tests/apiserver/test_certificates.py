"""Certificate requests from the wish to the certificate: who asks, approves, signs and vouches."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from podling.env import SystemEnv
from tests.apiserver.serving import Api, serving
from tests.pki.wishes import request_of

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
Json = dict[str, Any]


def wish(name: str = "jane", signer: str = CLIENT, groups: Sequence[str] = (), **spec: Any) -> Json:
    given = {"request": request_of(name, groups), "signerName": signer, "usages": ["client auth"], **spec}
    return {"metadata": {"name": "wish"}, "spec": given}


async def make_user(api: Api, name: str, *rules: Json) -> httpx.AsyncClient:
    """A client of a user with these rights."""
    await api.make(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": list(rules)})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
    body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    await api.make(f"{RBAC}/clusterrolebindings", body)
    return api.client(api.authority.client(name, ["staff"], SystemEnv().now()))


def may(resources: str, *verbs: str, names: Sequence[str] = ()) -> Json:
    found = {"apiGroups": ["certificates.k8s.io"], "resources": resources.split(), "verbs": list(verbs)}
    return found | ({"resourceNames": list(names)} if names else {})


async def test_who_asks_is_written_down_and_cannot_be_made_up() -> None:
    async with serving() as api, await make_user(api, "jane", may("certificatesigningrequests", "create")) as jane:
        body = wish()
        body["spec"] |= {"username": "root", "groups": ["system:masters"], "uid": "0"}
        made = (await jane.post(REQUESTS, json=body)).json()
        assert (made["spec"]["username"], made["spec"]["groups"]) == ("jane", ["staff", "system:authenticated"])
        assert "uid" not in made["spec"]


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        ({"request": base64.b64encode(b"nonsense").decode()}, 422, "PEM block type must be CERTIFICATE REQUEST"),
        ({"usages": []}, 422, "spec.usages: Required value"),
        ({"usages": ["client auth", "client auth"]}, 422, 'spec.usages[1]: Duplicate value: "client auth"'),
        ({"signer": "nodomain"}, 422, "must be a fully qualified domain and path of the form"),
        ({"signer": "kubernetes.io/legacy-unknown"}, 422, "the legacy signerName is not allowed via this API version"),
        ({"expirationSeconds": 60}, 422, "may not specify a duration less than 600 seconds (10 minutes)"),
        (
            {"groups": ["system:masters"]},
            403,
            'certificatesigningrequests.certificates.k8s.io "wish" is forbidden: use of '
            "kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
        ),
    ],
    ids=["pem", "no usages", "twice", "signer", "legacy", "short", "masters"],
)
async def test_a_request_that_cannot_be_is_refused(spec: Json, code: int, said: str) -> None:
    async with serving() as api:
        answer = await api.http.post(REQUESTS, json=wish(**spec))
        assert answer.status_code == code
        assert said in answer.json()["message"]


async def test_kubectl_approves_and_what_was_wished_stays() -> None:
    async with serving() as api:
        made = await api.make(REQUESTS, wish())
        done = await api.kubectl("certificate", "approve", "wish")
        assert (done.out, done.err) == ("certificatesigningrequest.certificates.k8s.io/wish approved\n", "")
        found = (await api.get(f"{REQUESTS}/wish")).json()
        condition = found["status"]["conditions"][0]
        assert (condition["type"], condition["status"], condition["reason"]) == ("Approved", "True", "KubectlApprove")
        assert condition["lastTransitionTime"]
        changed = await api.patch(f"{REQUESTS}/wish", {"spec": {"usages": ["any"]}, "status": {"conditions": None}})
        assert changed.json()["spec"] == made["spec"] and changed.json()["status"] == found["status"]


async def test_a_decision_is_for_ever() -> None:
    async with serving() as api:
        await api.make(REQUESTS, wish())
        assert (await api.kubectl("certificate", "deny", "wish")).code == 0
        denied = {"type": "Denied", "status": "True", "reason": "x"}
        for conditions, said in (
            ([], 'updates may not remove a condition of type "Denied"'),
            ([denied], 'updates may not modify a condition of type "Denied"'),
        ):
            answer = await api.patch(f"{REQUESTS}/wish/approval", {"status": {"conditions": conditions}})
            assert answer.status_code == 422 and said in answer.json()["message"]
        kept = (await api.get(f"{REQUESTS}/wish")).json()["status"]["conditions"]
        approved = {"type": "Approved", "status": "True", "reason": "x"}
        answer = await api.patch(f"{REQUESTS}/wish/approval", {"status": {"conditions": [*kept, approved]}})
        assert "Approved and Denied conditions are mutually exclusive" in answer.json()["message"]


async def test_approving_needs_a_right_for_the_signer() -> None:
    async with serving() as api:
        await api.make(REQUESTS, wish())
        update = may("certificatesigningrequests certificatesigningrequests/approval", "get", "update", "patch")
        approved = {"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "x"}]}}
        merge = {"content-type": "application/merge-patch+json"}
        async with await make_user(api, "anybody", update) as anybody:
            answer = await anybody.patch(f"{REQUESTS}/wish/approval", content=json.dumps(approved), headers=merge)
        assert answer.status_code == 403
        assert answer.json()["message"] == (
            'certificatesigningrequests.certificates.k8s.io "wish" is forbidden: user not permitted to approve '
            'requests with signerName "kubernetes.io/kube-apiserver-client"'
        )
        domain = may("signers", "approve", names=["kubernetes.io/*"])
        async with await make_user(api, "approver", update, domain) as approver:
            answer = await approver.patch(f"{REQUESTS}/wish/approval", content=json.dumps(approved), headers=merge)
        assert answer.status_code == 200


async def test_signing_needs_a_right_for_the_signer_and_a_real_certificate() -> None:
    async with serving() as api:
        await api.make(REQUESTS, wish(signer="example.com/mine"))
        update = may("certificatesigningrequests certificatesigningrequests/status", "get", "update", "patch")
        ca = base64.b64encode(api.authority.pair.certificate).decode()
        merge = {"content-type": "application/merge-patch+json"}
        async with await make_user(api, "anybody", update) as anybody:
            body = json.dumps({"status": {"certificate": ca}})
            answer = await anybody.patch(f"{REQUESTS}/wish/status", content=body, headers=merge)
            assert "user not permitted to sign requests with signerName" in answer.json()["message"]
        signs = may("signers", "sign", names=["example.com/mine"])
        async with await make_user(api, "signer", update, signs) as signer:
            body = json.dumps({"status": {"certificate": base64.b64encode(b"nonsense").decode()}})
            answer = await signer.patch(f"{REQUESTS}/wish/status", content=body, headers=merge)
            assert answer.status_code == 422
            body = json.dumps({"status": {"certificate": ca}})
            assert (await signer.patch(f"{REQUESTS}/wish/status", content=body, headers=merge)).status_code == 200


async def test_vouching_for_a_signers_bundle_needs_a_right_and_its_name() -> None:
    path = "/apis/certificates.k8s.io/v1/clustertrustbundles"
    async with serving() as api:
        pem = api.authority.pair.certificate.decode()
        spec = {"signerName": "example.com/mine", "trustBundle": pem}
        writes = may("clustertrustbundles", "create")
        async with await make_user(api, "anybody", writes) as anybody:
            body = {"metadata": {"name": "example.com:mine:one"}, "spec": spec}
            answer = await anybody.post(path, json=body)
            assert answer.json()["message"] == (
                'clustertrustbundles.certificates.k8s.io "example.com:mine:one" is forbidden: user not permitted to '
                'attest for signerName "example.com/mine"'
            )
            free = {"metadata": {"name": "free"}, "spec": {"trustBundle": pem}}
            assert (await anybody.post(path, json=free)).status_code == 201
        answer = await api.http.post(path, json={"metadata": {"name": "one"}, "spec": spec})
        assert "must be named with prefix example.com:mine:" in answer.json()["message"]
        answer = await api.http.post(path, json={"metadata": {"name": "two"}, "spec": {"trustBundle": "x"}})
        assert answer.status_code == 422
        await api.make(path, body)
