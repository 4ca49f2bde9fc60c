"""Flags of kube-apiserver as the configuration of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from podling.env import SystemEnv
from podling.envtest.apiserverflags import FLAGS
from podling.envtest.configuring import config_of
from podling.envtest.flags import FlagError, parse


def test_a_token_file_gives_its_users(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('secret,jane,7,"devs,ops"\n')
    words = [f"--cert-dir={tmp_path}", f"--token-auth-file={file}"]
    users = config_of(parse(words, FLAGS), SystemEnv()).static_tokens
    assert users["secret"].name == "jane" and users["secret"].groups[:2] == ("devs", "ops")
    file.write_text("secret,jane\n")
    with pytest.raises(FlagError, match="must have at least 3 columns"):
        config_of(parse(words, FLAGS), SystemEnv())


def test_front_proxies_are_told_by_upstreams_flags(tmp_path: Path) -> None:
    file = tmp_path / "proxies.crt"
    file.write_text("PEM")
    words = [f"--cert-dir={tmp_path}", f"--requestheader-client-ca-file={file}"]
    words += ["--requestheader-allowed-names=a,b", "--requestheader-username-headers=X-User,X-Remote-User"]
    found = config_of(parse(words, FLAGS), SystemEnv()).requestheaders
    assert (found.authority, found.allowed) == (b"PEM", ("a", "b"))
    assert (found.users, found.groups) == (("x-user", "x-remote-user"), ("x-remote-group",))
