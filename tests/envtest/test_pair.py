"""`podling envtest-assets` writes what controller-runtime's envtest starts, and that behaves as envtest expects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from podling.cli.main import main
from tests.envtest.pair import Pair, free_port, write_assets


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_assets(tmp_path_factory.mktemp("kube builder") / "assets")


def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=30, env=env)


def test_three_executables_are_written_and_may_be_written_again(tmp_path: Path):
    for _ in range(2):
        folder = write_assets(tmp_path / "a" / "b")
        assert sorted(file.name for file in folder.iterdir()) == ["etcd", "kube-apiserver", "kubectl"]
    assert "v1.37" in run(folder / "kubectl", "version", "--client").stdout
    assert run(folder / "kube-apiserver", "--version").stdout == "Kubernetes v1.37.1\n"
    assert run(folder / "etcd", "--version").stdout.startswith("etcd Version: 3.")


def test_a_suite_meets_the_api_it_expects(assets: Path, tmp_path: Path):
    pair = Pair(assets, tmp_path, flags=["--feature-gates=SomeGate=true", "--audit-log-path=-"])
    pair.kubeconfig()
    pair.kubeconfig("jane", "readers")
    with pair.both() as process:
        assert "default" in pair.kubectl("get", "namespaces", "-o", "name")
        # The plugin ServiceAccount is disabled: a Pod needs no account, and gets none.
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
        pod["spec"] = {"containers": [{"name": "main", "image": "web"}]}
        pair.kubectl("create", "-f", "-", stdin=json.dumps(pod))
        made = json.loads(pair.kubectl("get", "pod", "web", "-o", "json"))
        assert "volumes" not in made["spec"]
        assert "cannot get resource" in pair.kubectl("get", "pod", "web", user="jane", fails=True)
        address = pair.kubectl("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
        assert address == "10.0.0.1"
        token = pair.kubectl("create", "serviceaccount", "bot") and pair.kubectl("create", "token", "bot")
        assert token.count(".") == 2
        # No controller runs: what is deleted with its children in the background leaves them.
        owner = json.loads(pair.kubectl("get", "pod", "web", "-o", "json"))["metadata"]["uid"]
        reference = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": owner}
        child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "child", "ownerReferences": [reference]}}
        pair.kubectl("create", "-f", "-", stdin=json.dumps(child))
        pair.kubectl("delete", "pod", "web", "--now")
        assert pair.kubectl("get", "configmap", "child", "-o", "name") == "configmap/child\n"
    assert process.returncode == 0


def test_garbage_collection_and_namespace_deletion_come_on_request(assets: Path, tmp_path: Path):
    pair = Pair(assets, tmp_path, environment={"PODLING_ENVTEST_CONTROLLERS": "garbagecollector,namespace"})
    pair.kubeconfig()
    with pair.both():
        pair.kubectl("create", "namespace", "doomed")
        pair.kubectl("create", "configmap", "parent", "-n", "doomed")
        uid = pair.kubectl("get", "configmap", "parent", "-n", "doomed", "-o", "jsonpath={.metadata.uid}")
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": uid}
        child = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "child", "ownerReferences": [reference]}}
        pair.kubectl("create", "-n", "doomed", "-f", "-", stdin=json.dumps(child))
        pair.kubectl("delete", "configmap", "parent", "-n", "doomed")
        pair.kubectl("wait", "--for=delete", "secret/child", "-n", "doomed", "--timeout=10s")
        pair.kubectl("delete", "namespace", "doomed", "--timeout=10s")
        assert "not found" in pair.kubectl("get", "namespace", "doomed", fails=True)


def test_objects_outlive_the_api_server_but_not_etcds_folder(assets: Path, tmp_path: Path):
    pair = Pair(assets, tmp_path)
    pair.kubeconfig()
    with pair.etcd() as etcd:
        with pair.api(etcd):
            pair.kubectl("create", "configmap", "kept")
        with pair.api(etcd):
            assert pair.kubectl("get", "configmap", "kept", "-o", "name") == "configmap/kept\n"
            second = Pair(assets, tmp_path, flags=["--etcd-prefix=/other"])
            second.kubeconfig()
            with second.api(etcd):
                assert "not found" in second.kubectl("get", "configmap", "kept", fails=True)


def test_what_cannot_be_is_refused_with_a_reason(assets: Path, tmp_path: Path):
    server = assets / "kube-apiserver"
    for flags, text in (
        (["--no-such-flag=1"], "unknown flag: --no-such-flag"),
        (["--secure-port"], "flag needs an argument: --secure-port"),
        (["--secure-port=much"], 'invalid argument "much" for "--secure-port" flag'),
        (["--authorization-mode=Webhook", f"--cert-dir={tmp_path}"], "only RBAC, Node and AlwaysAllow"),
        (["--service-cluster-ip-range=fd00::/112", f"--cert-dir={tmp_path}"], "IPv4 addresses only"),
        ([f"--cert-dir={tmp_path}"], "--etcd-servers must be specified"),
        ([f"--cert-dir={tmp_path}", f"--etcd-servers=http://127.0.0.1:{free_port()}"], "no etcd answers at http://"),
        (["--client-ca-file=/no/such/file", f"--cert-dir={tmp_path}"], "No such file or directory: /no/such/file"),
    ):
        done = run(server, *flags)
        assert (done.returncode, text in done.stderr) == (1, True), done.stderr
        assert "Traceback" not in done.stderr
    done = run(assets / "etcd", "--listen-client-urls=https://127.0.0.1:1")
    assert (done.returncode, "has to be http://HOST:PORT" in done.stderr) == (1, True)
    done = run(server, f"--cert-dir={tmp_path}", PODLING_ENVTEST_CONTROLLERS="nobody")
    assert (done.returncode, 'there is no controller "nobody"' in done.stderr) == (1, True)


def test_two_api_servers_do_not_write_one_store(assets: Path, tmp_path: Path):
    first, second = (Pair(assets, tmp_path) for _ in range(2))
    with first.etcd() as etcd, first.api(etcd):
        flags = [f"--etcd-servers={etcd}", f"--cert-dir={tmp_path}", f"--secure-port={second.port}"]
        done = run(assets / "kube-apiserver", *flags)
        assert (done.returncode, "is in use by another process" in done.stderr) == (1, True)


def test_unknown_controllers_are_refused_when_the_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["envtest-assets", str(tmp_path / "x"), "--controllers", "nobody"]) == 2
    assert 'there is no controller "nobody"; there are:' in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_help_costs_no_imports(assets: Path):
    done = run(sys.executable, "-X", "importtime", "-I", "-m", "podling.envtest.apiserver", "--help")
    assert done.returncode == 0
    assert "asyncio" not in done.stderr
    assert "      --secure-port int" in done.stdout
