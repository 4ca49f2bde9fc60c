"""The pair of envtest as a Go test suite runs it: certificates, flags, health, SIGTERM; written after its behaviour."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from podling.pki.ca import CertificateAuthority, new_signing_key
from podling.pki.kubeconfig import cluster_config

POLL = 0.1
"""Seconds between two looks at a health URL, as envtest waits."""
PATIENCE = 20.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def knows_flag(program: Path, flag: str) -> bool:
    """How envtest learns what it may pass."""
    done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
    return re.search(rf"^\s*--{flag}\b", done.stdout + done.stderr, re.MULTILINE) is not None


def wait_healthy(process: subprocess.Popen[str], url: str) -> None:
    """200 without credentials and without a look at the certificate."""
    context = ssl._create_unverified_context()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(url, context=context if url.startswith("https") else None) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(POLL)
    raise AssertionError(f"{url} did not become healthy")


@contextmanager
def running(command: list[str], health: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    try:
        wait_healthy(process, health)
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, process.communicate()
    finally:
        process.kill()
        process.communicate()


@dataclass
class Pair:
    """Starts etcd and kube-apiserver from `assets`; files lie in `folder`."""

    assets: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        now = time.time()
        self.clients, self.servers = (CertificateAuthority.create(name, now) for name in ("clients", "servers"))
        self.certificates = self.folder / "certificates"
        self.certificates.mkdir(exist_ok=True)
        serving = self.servers.serving("localhost", ["localhost", "127.0.0.1"], now)
        signing = new_signing_key()
        for name, content in {
            "apiserver.crt": serving.certificate,
            "apiserver.key": serving.key,
            "client-cert-auth-ca.crt": self.clients.pair.certificate,
            "sa-signer.key": signing,
            "sa-signer.crt": serving.certificate,
        }.items():
            (self.certificates / name).write_bytes(content)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"

    @contextmanager
    def etcd(self) -> Iterator[str]:
        """Its client URL."""
        program = self.assets / "etcd"
        url = f"http://127.0.0.1:{free_port()}"
        flags = [
            f"--advertise-client-urls={url}",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--listen-peer-urls=http://127.0.0.1:{free_port()}",
        ]
        if knows_flag(program, "unsafe-no-fsync"):
            flags.append("--unsafe-no-fsync=true")
        with running([str(program), *flags], f"{url}/health"):
            yield url

    @contextmanager
    def api(self, etcd: str) -> Iterator[subprocess.Popen[str]]:
        program = self.assets / "kube-apiserver"
        insecure = ["--insecure-port=0"] if knows_flag(program, "insecure-port") else []
        flags = [
            "--allow-privileged=true",
            "--authorization-mode=RBAC",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.certificates}",
            f"--client-ca-file={self.certificates / 'client-cert-auth-ca.crt'}",
            "--disable-admission-plugins=ServiceAccount",
            f"--etcd-servers={etcd}",
            f"--secure-port={self.port}",
            f"--service-account-issuer={self.url}/",
            f"--service-account-key-file={self.certificates / 'sa-signer.crt'}",
            f"--service-account-signing-key-file={self.certificates / 'sa-signer.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            *self.flags,
        ]
        with running([str(program), *insecure, *flags], f"{self.url}/healthz", **self.environment) as process:
            yield process

    @contextmanager
    def both(self) -> Iterator[subprocess.Popen[str]]:
        with self.etcd() as etcd, self.api(etcd) as process:
            yield process

    def kubeconfig(self, user: str = "admin", *groups: str) -> Path:
        """As envtest's AddUser makes them."""
        pair = self.clients.client(user, groups or ("system:masters",), time.time())
        file = self.folder / f"{user}.kubeconfig"
        file.write_text(json.dumps(cluster_config("envtest", self.url, self.servers.pair.certificate, pair)))
        return file

    def kubectl(self, *words: str, user: str = "admin", stdin: str = "", fails: bool = False) -> str:
        config = self.folder / f"{user}.kubeconfig"
        command = [str(self.assets / "kubectl"), "--kubeconfig", str(config), *words]
        env = {**os.environ, "HOME": str(self.folder)}
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30, env=env)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout


def write_assets(folder: Path, *options: str) -> Path:
    """`podling envtest-assets`, as a user runs it."""
    podling = Path(sys.executable).with_name("podling")
    done = subprocess.run([podling, "envtest-assets", folder, *options], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"export KUBEBUILDER_ASSETS={folder}\n"
    return folder
