"""Paths and what they address."""

from __future__ import annotations

import pytest

from podling.apiserver.routing import Target, target_of

WATCH = (("watch", "1"),)


@pytest.mark.parametrize(
    ("method", "path", "query", "target"),
    [
        ("GET", "/api/v1/pods", (), Target("list", "", "v1", "pods")),
        ("GET", "/api/v1/namespaces/a/pods", (), Target("list", "", "v1", "pods", "a")),
        ("GET", "/api/v1/namespaces/a/pods/b", (), Target("get", "", "v1", "pods", "a", "b")),
        ("GET", "/api/v1/namespaces/a/pods/b/log", (), Target("get", "", "v1", "pods", "a", "b", "log")),
        ("GET", "/api/v1/namespaces/a/pods", WATCH, Target("watch", "", "v1", "pods", "a")),
        ("GET", "/api/v1/namespaces/a/pods", (("watch", "false"),), Target("list", "", "v1", "pods", "a")),
        ("GET", "/api/v1/watch/namespaces/a/pods", (), Target("watch", "", "v1", "pods", "a")),
        ("POST", "/apis/apps/v1/namespaces/a/replicasets", (), Target("create", "apps", "v1", "replicasets", "a")),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/a/replicasets",
            (),
            Target("deletecollection", "apps", "v1", "replicasets", "a"),
        ),
        ("DELETE", "/api/v1/nodes/n", (), Target("delete", "", "v1", "nodes", "", "n")),
        ("GET", "/api/v1/namespaces", (), Target("list", "", "v1", "namespaces")),
        ("GET", "/api/v1/namespaces/a", (), Target("get", "", "v1", "namespaces", "", "a")),
        ("PUT", "/api/v1/namespaces/a/finalize", (), Target("update", "", "v1", "namespaces", "", "a", "finalize")),
        ("PATCH", "/api/v1/namespaces/a/status", (), Target("patch", "", "v1", "namespaces", "", "a", "status")),
        (
            "GET",
            "/api/v1/namespaces/a/services/http:b:80/proxy/x/y/",
            (),
            Target("get", "", "v1", "services", "a", "http:b:80", "proxy", "x/y/"),
        ),
        ("GET", "/api/v1", (), None),
        ("GET", "/apis/apps/v1", (), None),
        ("GET", "/version", (), None),
        ("GET", "/", (), None),
        ("GET", "/api/v1/namespaces/a/pods/b/log/extra", (), None),
    ],
)
def test_a_path_is_its_target(
    method: str, path: str, query: tuple[tuple[str, str], ...], target: Target | None
) -> None:
    assert target_of(method, path, query) == target
