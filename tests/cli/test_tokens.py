"""`podling start --token-auth-file`: users by bearer token, kept with the cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(sys.executable).parent


def podling(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAMS / "podling"), *map(str, words)]
    return subprocess.run(command, env=env_of(folder), capture_output=True, text=True, timeout=60, check=False)


def test_a_tokens_user_is_known_also_after_a_start_that_says_nothing_of_it(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text('sesame,jane,7,"devs"\n')
    name = f"tokens-{os.getpid()}"
    try:
        words = ("start", "--name", name, "--runtime", "fake", "--token-auth-file", tokens)
        done = podling(tmp_path, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert who(tmp_path) == "jane"
        podling(tmp_path, "stop", "--name", name)
        assert podling(tmp_path, "start", "--name", name).returncode == 0
        assert who(tmp_path) == "jane"
    finally:
        podling(tmp_path, "delete", "--name", name)


def who(folder: Path) -> str:
    """The user that the API takes the bearer for, without the administrator's certificate."""
    config = json.loads(
        subprocess.check_output([PROGRAMS / "kubectl", "config", "view", "--raw", "-o", "json"], env=env_of(folder))
    )
    server = config["clusters"][0]["cluster"]["server"]
    command = [str(PROGRAMS / "kubectl"), "--kubeconfig=/dev/null", f"--server={server}", "--insecure-skip-tls-verify"]
    found = subprocess.check_output([*command, "--token=sesame", "auth", "whoami", "-o", "json"], text=True)
    return str(json.loads(found)["status"]["userInfo"]["username"])


def env_of(folder: Path) -> dict[str, str]:
    return {**os.environ, "PODLING_STATE": str(folder / "state"), "KUBECONFIG": str(folder / "config")}


def test_a_file_that_is_none_is_refused_before_anything_starts(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("sesame,jane\n")
    done = podling(tmp_path, "start", "--runtime", "fake", "--token-auth-file", tokens)
    assert done.returncode == 1
    assert "token file must have at least 3 columns" in done.stderr
    assert not (tmp_path / "state").exists()
