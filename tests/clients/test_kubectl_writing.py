"""kubectl, the subcommands that make, change and delete objects."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from podling.pki.ca import CertificateAuthority
from tests.clients.kubectl import Kubectl

CREATED = (
    ("clusterrole clusterrole-{ns} --verb=get --resource=pods", "clusterrole.rbac.authorization.k8s.io"),
    ("clusterrolebinding binding-{ns} --clusterrole=view --user=jane", "clusterrolebinding.rbac.authorization.k8s.io"),
    ("configmap one --from-literal=a=b", "configmap"),
    ("cronjob one --image=works --schedule=@hourly", "cronjob.batch"),
    ("deployment one --image=web --replicas=1 --port=80", "deployment.apps"),
    ("ingress one --rule=example.com/*=web:80", "ingress.networking.k8s.io"),
    ("job one --image=works", "job.batch"),
    ("namespace more-{ns}", "namespace"),
    ("poddisruptionbudget one --selector=app=web --min-available=1", "poddisruptionbudget.policy"),
    ("priorityclass class-{ns} --value=7", "priorityclass.scheduling.k8s.io"),
    ("quota one --hard=configmaps=100", "resourcequota"),
    ("role one --verb=get,list --resource=pods", "role.rbac.authorization.k8s.io"),
    ("rolebinding one --role=one --serviceaccount={ns}:default", "rolebinding.rbac.authorization.k8s.io"),
    ("secret generic generic --from-literal=a=b", "secret"),
    ("secret docker-registry docker --docker-server=x --docker-username=u --docker-password=p", "secret"),
    ("service clusterip cluster --tcp=80:8080", "service"),
    ("service nodeport node --tcp=80:8080", "service"),
    ("service loadbalancer balancer --tcp=80:8080", "service"),
    ("service externalname external --external-name=example.com", "service"),
    ("serviceaccount one", "serviceaccount"),
)


def test_everything_that_create_makes_is_there(kubectl: Kubectl) -> None:
    for line, kind in CREATED:
        words = line.format(ns=kubectl.namespace).split()
        name = words[2] if words[0] in ("secret", "service") else words[1]
        assert kubectl("create", *words) == f"{kind}/{name} created\n"
        assert kubectl("get", f"{kind}/{name}", "-o", "name") == f"{kind}/{name}\n"


def test_a_secret_of_a_certificate_and_a_token(kubectl: Kubectl, tmp_path: Path) -> None:
    pair = CertificateAuthority.create("mine", time.time()).pair
    (tmp_path / "certificate").write_bytes(pair.certificate)
    (tmp_path / "key").write_bytes(pair.key)
    kubectl("create", "secret", "tls", "mine", f"--cert={tmp_path / 'certificate'}", f"--key={tmp_path / 'key'}")
    assert kubectl.value("secret/mine", ".type") == "kubernetes.io/tls"
    token = kubectl("create", "token", "default").strip()
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    status = json.loads(kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(review)))["status"]
    assert status["user"]["username"] == f"system:serviceaccount:{kubectl.namespace}:default"


def test_create_from_a_file_with_dry_runs_and_validation(kubectl: Kubectl) -> None:
    manifest = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "filed"}, "data": {"a": "b"}})
    assert "(server dry run)" in kubectl("create", "--dry-run=server", "-f", "-", stdin=manifest)
    assert kubectl("create", "-f", "-", stdin=manifest) == "configmap/filed created\n"
    assert "AlreadyExists" in kubectl.refused("create", "-f", "-", stdin=manifest)
    wrong = manifest.replace('"data"', '"dada"').replace("filed", "wrong")
    assert 'unknown field "dada"' in kubectl.refused("create", "-f", "-", stdin=wrong)


def test_apply_diff_and_what_was_last_applied(kubectl: Kubectl) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"a": "1", "b": "2"}}
    assert kubectl.apply(manifest) == "configmap/mine created\n"
    assert kubectl.apply(manifest) == "configmap/mine unchanged\n"
    manifest["data"] = {"a": "3"}
    changed = kubectl.run("diff", "-f", "-", stdin=json.dumps(manifest))
    assert (changed.returncode, "-  b: " in changed.stdout, '+  a: "3"' in changed.stdout) == (1, True, True)
    assert kubectl.apply(manifest) == "configmap/mine configured\n"
    assert kubectl.json("get", "configmap", "mine")["data"] == {"a": "3"}
    assert kubectl("diff", "-f", "-", stdin=json.dumps(manifest)) == ""
    assert '"a": "3"' in kubectl("apply", "view-last-applied", "configmap/mine", "-o", "json")
    manifest["data"] = {"a": "4"}
    file = kubectl.config.parent / f"{kubectl.namespace}.json"
    file.write_text(json.dumps(manifest))
    kubectl("apply", "set-last-applied", "-f", str(file))
    kubectl.environment["KUBE_EDITOR"] = 'sed -i s/"4"/"5"/'
    kubectl("apply", "edit-last-applied", "configmap/mine")
    assert '"5"' in kubectl("apply", "view-last-applied", "configmap/mine")


def test_apply_on_the_server_with_conflicts_and_pruning(kubectl: Kubectl) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "labels": {"set": "one"}}}
    both = {"apiVersion": "v1", "kind": "List", "items": [manifest, manifest | {"metadata": {"name": "other"}}]}
    text = json.dumps(both | {"items": [each | {"data": {"a": "1"}} for each in both["items"]]})
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=text)
    other = json.dumps(manifest | {"data": {"a": "2"}})
    refused = kubectl.refused("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=other)
    assert 'conflict with "kubectl": .data.a' in refused
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", stdin=other)
    assert kubectl.json("get", "configmap", "mine")["data"] == {"a": "2"}
    kubectl.apply({**manifest, "metadata": {"name": "pruned", "labels": {"set": "two"}}})
    kept = json.dumps({**manifest, "metadata": {"name": "kept", "labels": {"set": "two"}}})
    said = kubectl("apply", "--prune", "-l", "set=two", "--prune-allowlist=core/v1/ConfigMap", "-f", "-", stdin=kept)
    assert "configmap/pruned pruned" in said


def test_edit_patch_replace_label_and_annotate(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "mine", "--from-literal=a=1")
    kubectl.environment["KUBE_EDITOR"] = 'sed -i "s/a: .1./a: \\"2\\"/"'
    assert kubectl("edit", "configmap", "mine") == "configmap/mine edited\n"
    kubectl("patch", "configmap", "mine", "-p", '{"data":{"b":"1"}}')
    kubectl("patch", "configmap", "mine", "--type=json", "-p", '[{"op":"add","path":"/data/c","value":"1"}]')
    kubectl("patch", "configmap", "mine", "--type=merge", "-p", '{"data":{"b":null}}')
    kubectl("label", "configmap", "mine", "tier=web")
    assert "--overwrite" in kubectl.refused("label", "configmap", "mine", "tier=db")
    kubectl("annotate", "configmap", "mine", "note=text")
    found = kubectl.json("get", "configmap", "mine")
    assert found["data"] == {"a": "2", "c": "1"}
    assert (found["metadata"]["labels"], found["metadata"]["annotations"]) == ({"tier": "web"}, {"note": "text"})
    assert kubectl("label", "configmap", "mine", "tier-") == "configmap/mine unlabeled\n"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"new": "1"}}
    assert kubectl("replace", "-f", "-", stdin=json.dumps(body)) == "configmap/mine replaced\n"
    kubectl("replace", "--force", "-f", "-", stdin=json.dumps(body))
    assert kubectl.json("get", "configmap", "mine")["data"] == {"new": "1"}


def test_delete_by_name_label_file_and_all(kubectl: Kubectl) -> None:
    for name in ("one", "two", "three", "four"):
        kubectl("create", "configmap", name)
    kubectl("label", "configmap", "two", "gone=soon")
    assert kubectl("delete", "configmap", "one") == f'configmap "one" deleted from {kubectl.namespace} namespace\n'
    kubectl("delete", "configmaps", "-l", "gone=soon")
    kubectl("delete", "-f", "-", stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"three"}}')
    assert "not found" in kubectl.refused("delete", "configmap", "one")
    kubectl("delete", "configmaps", "--all")
    # The one that every namespace has comes back.
    assert set(kubectl("get", "configmaps", "-o", "name").split()) <= {"configmap/kube-root-ca.crt"}


def test_auth_reconcile_brings_rules_up_to_date(kubectl: Kubectl) -> None:
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "mine"}}
    # This subcommand looks for the namespace in the manifest only.
    role["metadata"]["namespace"] = kubectl.namespace
    for verbs in (["get"], ["get", "list"]):
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]
        kubectl("auth", "reconcile", "-f", "-", stdin=json.dumps(role | {"rules": rules}))
    assert kubectl.value("role/mine", ".rules[*].verbs") == '["get"] ["list"]'


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_certificates_are_approved_and_denied(kubectl: Kubectl, decision: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = ((NameOID.ORGANIZATION_NAME, "readers"), (NameOID.COMMON_NAME, "jane"))
    jane = x509.Name([x509.NameAttribute(each, value) for each, value in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(jane).sign(key, hashes.SHA256())
    name = f"{decision}-{kubectl.namespace}"
    kubectl.apply(
        {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {
                "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode(),
                "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"],
            },
        }
    )
    kubectl("certificate", decision, name)
    kind = {"approve": "Approved", "deny": "Denied"}[decision]
    assert kind in kubectl.value(f"csr/{name}", ".status.conditions[*].type")
