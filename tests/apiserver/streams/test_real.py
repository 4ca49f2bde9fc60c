"""The same streams with nothing in place of the node: real containers, the keeper's terminals, Pods' own ports."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.e2e.harness import BIN, Cluster, pod

pytestmark = pytest.mark.real


@contextmanager
def forwarded(cluster: Cluster, name: str, *ports: int) -> Iterator[tuple[list[int], subprocess.Popen[str]]]:
    """kubectl port-forward at work: the local ports."""
    words = (str(BIN / "kubectl"), "port-forward", name, *(f":{port}" for port in ports))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=cluster.env) as process:
        assert process.stdout is not None
        local: dict[int, int] = {}
        for line in process.stdout:
            if found := re.match(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)", line):
                local[int(found[2])] = int(found[1])
            if len(local) == len(ports):
                break
        try:
            yield [local[port] for port in ports], process
        finally:
            process.terminate()


def test_kubectl_reaches_into_real_containers(tmp_path: Path) -> None:
    with Cluster(tmp_path / "state", "streams") as cluster:
        image = cluster.build_host_image(tmp_path)
        site = pod("web", "python3", "-u", "-m", "http.server", "8000", "--directory", "/etc", image=image)
        site["spec"]["containers"][0]["ports"] = [{"containerPort": 8000}]
        asking = {"container": {"stdin": True}, "restartPolicy": "Never"}
        echo = pod("echo", "sh", "-c", "read line; echo you said $line", image=image, **asking)
        cluster.create(site, echo)
        cluster.wait_ready("web", "echo")

        ended = cluster.kubectl("exec", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 4")
        assert (ended.code, ended.out, ended.err) == (4, "out\n", "err\ncommand terminated with exit code 4\n")

        counted = cluster.kubectl("exec", "-i", "web", "--", "wc", "-c", stdin="x" * 1_000_000)
        assert counted.ok().out.strip() == "1000000"

        file = tmp_path / "file.txt"
        file.write_text("copied" * 1000)
        cluster.kubectl("cp", str(file), "web:/tmp/file.txt").ok()
        cluster.kubectl("cp", "web:/tmp/file.txt", str(tmp_path / "back.txt")).ok()
        assert (tmp_path / "back.txt").read_text() == file.read_text()

        attached = cluster.kubectl("attach", "-i", "echo", stdin="hello\n", timeout=10)
        assert "you said hello\n" in attached.out

        with forwarded(cluster, "web", 8000, 8001) as ((site_port, refused_port), process):
            assert b"root" in urlopen(f"http://127.0.0.1:{site_port}/passwd", timeout=10).read()
            with pytest.raises((URLError, ConnectionError)):
                urlopen(f"http://127.0.0.1:{refused_port}/", timeout=10)
            assert process.stderr is not None
            assert "connection refused" in process.stderr.readline()

        page = cluster.kubectl("get", "--raw", "/api/v1/namespaces/default/pods/web/proxy/hostname").ok()
        assert page.out == "web\n"
        log = cluster.kubectl("logs", "web", "--tail=2").ok().out.splitlines()
        assert ['"GET /passwd' in log[0], '"GET /hostname' in log[1]] == [True, True]
