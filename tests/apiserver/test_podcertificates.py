"""PodCertificateRequests: who may make them, who may answer, and what an answer has to be."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from podling.env import SystemEnv, parse_rfc3339, rfc3339
from podling.pki import podcertificates
from tests.apiserver.authorization.test_rbac import as_user
from tests.apiserver.serving import DEFAULT, Api, serving
from tests.apiserver.test_certificates import make_user, may
from tests.pki.podsigner import PodSigner, answered

GROUP = "/apis/certificates.k8s.io/v1"
REQUESTS = f"{GROUP}/namespaces/default/podcertificaterequests"
SIGNER = "example.com/tests"
Json = dict[str, Any]


def request(name: str = "req", **spec: Any) -> Json:
    uid = "11111111-2222-3333-4444-555555555555"
    asked = {
        "signerName": SIGNER,
        "podName": "p",
        "podUID": uid,
        "serviceAccountName": "default",
        "serviceAccountUID": uid,
        "nodeName": "one",
        "nodeUID": uid,
        "stubPKCS10Request": base64.b64encode(podcertificates.stub("ED25519").request).decode(),
    }
    return {"metadata": {"name": name}, "spec": {**asked, **spec}}


async def of_a_pod(api: Api, *sources: Json) -> Json:
    """A Pod on a node, and the request its node would make."""
    account = await api.account()
    node = await api.make("/api/v1/nodes", {"metadata": {"name": "one"}})
    volumes = [{"name": "v", "projected": {"sources": list(sources)}}]
    spec = {"nodeName": "one", "containers": [{"name": "main", "image": "x"}], "volumes": volumes}
    pod = await api.make(f"{DEFAULT}/pods", {"metadata": {"name": "p"}, "spec": spec})
    uids = {"serviceAccountUID": account, "nodeUID": node, "podUID": pod}
    return request(**{key: made["metadata"]["uid"] for key, made in uids.items()})


SOURCE = {"podCertificate": {"signerName": SIGNER, "keyType": "ED25519", "credentialBundlePath": "x"}}


def node(api: Api, name: str) -> Any:
    return as_user(api, f"system:node:{name}", "system:nodes")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"stubPKCS10Request": ""}, "spec.stubPKCS10Request: Required value"),
        ({"stubPKCS10Request": "AAAA"}, "spec.stubPKCS10Request: Invalid value: must be a valid PKCS#10 CSR"),
        (
            {"maxExpirationSeconds": 60},
            "spec.maxExpirationSeconds: Invalid value: 60: must be in the range [3600, 78",
        ),
        ({"signerName": "kubernetes.io/x", "maxExpirationSeconds": 86401}, "must be in the range [3600, 86400]"),
        ({"podUID": ""}, 'spec.podUID: Invalid value: "": must not be empty'),
        ({"nodeUID": "x" * 129}, "spec.nodeUID: Too long: may not be more than 128 bytes"),
        ({"unverifiedUserAnnotations": {"plain": "x"}}, "must be a domain-prefixed key"),
        ({"podName": "No"}, "spec.podName: Invalid value"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(spec: Json, said: str) -> None:
    async with serving() as api:
        answer = await api.http.post(REQUESTS, json=request(**spec))
        assert answer.status_code == 422
        assert said in answer.json()["message"]


async def test_a_request_is_for_a_day_and_does_not_change() -> None:
    async with serving() as api:
        made = await api.make(REQUESTS, request())
        assert made["spec"]["maxExpirationSeconds"] == 86400
        made["spec"]["podName"] = "other"
        answer = await api.http.put(f"{REQUESTS}/req", json=made)
        assert "spec: Invalid value: field is immutable" in answer.json()["message"]
        found = (await api.get(REQUESTS, fieldSelector=f"spec.signerName={SIGNER},spec.nodeName=one")).json()
        assert [each["metadata"]["name"] for each in found["items"]] == ["req"]


async def answer_with(api: Api, change: Callable[[Json], None]) -> httpx.Response:
    now = SystemEnv().now()
    made = await api.make(REQUESTS, request())
    made["status"] = PodSigner(now).issued(made, now)
    change(made["status"])
    return await api.http.put(f"{REQUESTS}/req/status", json=made)


async def test_a_signer_issues_once_and_for_all() -> None:
    async with serving() as api:
        issued = await answer_with(api, lambda status: None)
        assert issued.status_code == 200, issued.text
        again = issued.json()
        again["status"]["conditions"][0]["message"] = "changed my mind"
        refused = (await api.http.put(f"{REQUESTS}/req/status", json=again)).json()
        assert "immutable after PodCertificateRequest is issued, denied, or failed" in refused["message"]


def moved(name: str, seconds: float) -> Callable[[Json], None]:
    def change(status: Json) -> None:
        status[name] = rfc3339(parse_rfc3339(status[name]) + seconds)

    return change


def chain_of_another(status: Json) -> None:
    now = SystemEnv().now()
    other = request(maxExpirationSeconds=86400)
    other["metadata"]["namespace"] = "default"
    status |= PodSigner(now).issued(other, now)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (moved("notBefore", 1), "must be set to the NotBefore time encoded in the leaf certificate"),
        (moved("notAfter", 1), "must be set to the NotAfter time encoded in the leaf certificate"),
        (moved("beginRefreshAt", -86000), "must be at least 10 minutes after status.notBefore"),
        (moved("beginRefreshAt", 3600), "must be at least 10 minutes before status.notAfter"),
        (chain_of_another, "leaf certificate was not issued to the requested public key"),
        (lambda status: status.update(certificateChain=""), "must contain at least one certificate"),
        (lambda status: status.pop("beginRefreshAt"), "status.beginRefreshAt: Required value"),
        (lambda status: status.update(conditions=[answered("Denied", 0)]), "non-condition status fields must be empty"),
        (lambda status: status.update(conditions=[]), "status is immutable unless transitioning"),
        (lambda status: status["conditions"][0].update(type="Maybe"), 'Unsupported value: "Maybe"'),
        (lambda status: status["conditions"].append(answered("Failed", 0)), "There may be at most one condition"),
    ],
)
async def test_an_answer_fits_the_request(change: Callable[[Json], None], said: str) -> None:
    async with serving() as api:
        refused = await answer_with(api, change)
        assert refused.status_code == 422
        assert said in refused.json()["message"]


async def test_only_who_may_sign_answers() -> None:
    rights = may("podcertificaterequests/status", "update")
    async with serving() as api, await make_user(api, "clerk", rights) as clerk:
        made = await api.make(REQUESTS, request())
        made["status"] = {"conditions": [answered("Denied", SystemEnv().now())]}
        refused = await clerk.put(f"{REQUESTS}/req/status", json=made)
        assert refused.status_code == 422
        said = f'spec.signerName: Forbidden: User "clerk" is not permitted to "sign" for signer "{SIGNER}"'
        assert said in refused.json()["message"]
        async with await make_user(api, "signer", rights, may("signers", "sign", names=["example.com/*"])) as signer:
            assert (await signer.put(f"{REQUESTS}/req/status", json=made)).status_code == 200


async def test_a_node_asks_for_the_pods_that_run_on_it() -> None:
    async with serving() as api, node(api, "one") as one, node(api, "two") as two:
        body = await of_a_pod(api, SOURCE)
        other = (await two.post(REQUESTS, json=body)).json()
        assert 'PodCertificateRequest.Spec.NodeName="one", which is not the requesting node "two"' in other["message"]
        assert (await one.post(REQUESTS, json=body)).status_code == 201
        assert (await one.get(f"{REQUESTS}/req")).status_code == 200
        assert (await two.get(f"{REQUESTS}/req")).status_code == 403
        listed = f"{GROUP}/podcertificaterequests"
        assert (await one.get(listed, params={"fieldSelector": "spec.nodeName=one"})).status_code == 200
        assert (await one.get(listed)).status_code == 403
        assert (await one.delete(f"{REQUESTS}/req")).status_code == 403
        assert (await one.get(f"{DEFAULT}/serviceaccounts/default")).status_code == 200
        assert (await two.get(f"{DEFAULT}/serviceaccounts/default")).status_code == 403


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        (
            {"serviceAccountName": "other"},
            403,
            '("other") that differs from running pod ("default")',
        ),
        ({"podUID": "x"}, 500, 'contains pod UID ("x") which differs from running pod'),
        ({"nodeUID": "x"}, 500, 'names node UID "x", inconsistent with the running node'),
        ({"serviceAccountUID": "x"}, 500, 'names service account UID "x", which differs from'),
        ({"podName": "gone"}, 500, 'pod "gone" not found'),
        ({"signerName": "example.com/other"}, 403, "does not mount a podCertificate projected volume for signer"),
    ],
)
async def test_a_node_says_the_truth_about_its_pods(spec: Json, code: int, said: str) -> None:
    async with serving() as api, node(api, "one") as one:
        body = await of_a_pod(api, SOURCE)
        body["spec"] |= spec
        refused = await one.post(REQUESTS, json=body)
        assert (refused.status_code, said in refused.json()["message"]) == (code, True), refused.text
