"""helm 4 with a chart of ours: hooks, a CRD and its object, lookup; install, upgrade, rollback, test and uninstall."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients import built
from tests.clients.kubectl import Kubectl

pytestmark = pytest.mark.skipif(not built.EVERYTHING, reason="helm is fetched and built by `make clients`")
CHART = Path(__file__).with_name("charts") / "site"


class Helm:
    def __init__(self, program: Path, kubectl: Kubectl) -> None:
        self._program, self._kubectl = program, kubectl

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        home = str(self._kubectl.config.parent)
        env = {**os.environ, "HOME": home, "HELM_CACHE_HOME": home, "HELM_CONFIG_HOME": home, "HELM_DATA_HOME": home}
        where = ("--kubeconfig", str(self._kubectl.config), "--namespace", self._kubectl.namespace)
        command = [str(self._program), *words, *where]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)

    def __call__(self, *words: str) -> str:
        done = self.run(*words)
        if done.returncode != 0:
            pytest.fail(f"helm {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "-o", "json"))


@pytest.fixture
def helm(kubectl: Kubectl) -> Helm:
    return Helm(built.helm(), kubectl)


def test_a_release_lives_from_install_to_uninstall(helm: Helm, kubectl: Kubectl) -> None:
    helm("install", "mine", str(CHART), "--wait", "--timeout=30s")
    assert kubectl.value("deployment/mine", ".status.availableReplicas") == "1"
    assert kubectl.value("job/mine-migration", ".status.succeeded") == "1"
    assert kubectl.json("get", "configmap", "mine")["data"] == {"apps": "true", "color": "red", "kubernetes": "v1.37.1"}
    assert kubectl.value("banner/mine", ".spec.text") == "red site"
    password = kubectl.value("secret/mine-password", ".data.password")

    helm("upgrade", "mine", str(CHART), "--set=replicas=3,color=blue,image=web:2", "--wait", "--timeout=30s")
    assert kubectl.value("deployment/mine", ".status.readyReplicas") == "3"
    assert kubectl.value("banner/mine", ".spec.text") == "blue site"
    assert kubectl.value("secret/mine-password", ".data.password") == password

    helm("rollback", "mine", "1", "--wait", "--timeout=30s")
    spec = kubectl.json("get", "deployment", "mine")["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (1, "web:1")
    assert kubectl.value("configmap/mine", ".data.color") == "red"
    assert [each["status"] for each in helm.json("history", "mine")] == ["superseded", "superseded", "deployed"]
    assert [(each["name"], each["revision"]) for each in helm.json("list")] == [("mine", "3")]
    assert "Phase:          Succeeded" in helm("test", "mine", "--timeout=30s")
    assert "kind: Banner" in helm("get", "manifest", "mine")

    helm("uninstall", "mine", "--wait", "--timeout=30s")
    assert kubectl("get", "deployments,services,secrets,banners", "-o", "name") == ""
    assert kubectl.value("configmap/mine-farewell", ".data.last") == "red"
    # Helm never deletes what lies in crds/.
    assert kubectl("get", "crd", "banners.helm.example", "-o", "name")


def test_a_hook_that_fails_stops_the_release(helm: Helm, kubectl: Kubectl) -> None:
    done = helm.run("install", "mine", str(CHART), "--set=migration=breaks", "--wait", "--timeout=30s")
    assert (done.returncode, "pre-install" in done.stderr) == (1, True), done.stderr
    assert "not found" in kubectl.refused("get", "deployment", "mine")
    assert [each["status"] for each in helm.json("list", "--failed")] == ["failed"]


def test_a_failed_upgrade_is_rolled_back(helm: Helm, kubectl: Kubectl) -> None:
    helm("install", "mine", str(CHART), "--wait", "--timeout=30s")
    flags = ("--set=migration=breaks,color=blue", "--rollback-on-failure", "--wait", "--timeout=30s")
    assert helm.run("upgrade", "mine", str(CHART), *flags).returncode == 1
    assert kubectl.value("configmap/mine", ".data.color") == "red"
    assert helm.json("status", "mine")["info"]["status"] == "deployed"


def test_a_field_that_another_owns_is_a_conflict(helm: Helm, kubectl: Kubectl) -> None:
    helm("install", "mine", str(CHART), "--wait", "--timeout=30s")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"color": "green"}}
    other = ("--server-side", "--field-manager=other", "--force-conflicts")
    kubectl("apply", *other, "-f", "-", stdin=json.dumps(body))
    done = helm.run("upgrade", "mine", str(CHART), "--set=color=blue")
    assert 'conflict with "other"' in done.stderr
    helm("upgrade", "mine", str(CHART), "--set=color=blue", "--force-conflicts")
    assert kubectl.value("configmap/mine", ".data.color") == "blue"


def test_a_dry_run_on_the_server_writes_nothing(helm: Helm, kubectl: Kubectl) -> None:
    shown = helm("install", "mine", str(CHART), "--dry-run=server")
    assert "kind: Deployment" in shown
    assert kubectl("get", "deployments,jobs,services", "-o", "name") == ""
