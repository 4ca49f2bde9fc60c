"""Image names are completed as every container tool completes them."""

from __future__ import annotations

import pytest

from podling.runtime.images.names import InvalidName, parse

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("written", "completed"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("mongo:3.3", "docker.io/library/mongo:3.3"),
        ("vfarcic/go-demo-2", "docker.io/vfarcic/go-demo-2:latest"),
        ("docker.io/busybox", "docker.io/library/busybox:latest"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/a/b:v1", "localhost:5000/a/b:v1"),
        ("127.0.0.1:35000/busybox", "127.0.0.1:35000/busybox:latest"),
        ("registry.example/a__b/c-d:1", "registry.example/a__b/c-d:1"),
        (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
        (f"busybox:1@{DIGEST}", f"docker.io/library/busybox:1@{DIGEST}"),
    ],
)
def test_a_name_is_completed(written: str, completed: str) -> None:
    assert str(parse(written)) == completed
    assert str(parse(completed)) == completed


@pytest.mark.parametrize("written", ["", "UPPER", "a b", "a:", "a//b", "a/", ":x", "x@sha256:12", "-a", "a:b:c"])
def test_what_is_no_name_is_refused(written: str) -> None:
    with pytest.raises(InvalidName, match="invalid reference format"):
        parse(written)
