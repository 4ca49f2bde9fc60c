"""Which system calls a profile lets through: as it is written, and as the kernel keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podling.runtime.interface import RuntimeFailure, Security
from podling.runtime.seccomp import BadProfile, default, of_file
from tests.runtime.machines import machine


def refused(profile: dict[str, Any]) -> set[str]:
    return {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]}


def test_a_capability_brings_its_calls() -> None:
    assert {"mount", "unshare", "bpf", "clone3", "keyctl", "init_module"} <= refused(default(()))
    assert not {"mount", "unshare", "bpf", "clone3"} & refused(default(("CAP_SYS_ADMIN",)))
    assert "bpf" not in refused(default(("CAP_BPF",)))
    assert "keyctl" in refused(default(("CAP_SYS_ADMIN",)))
    assert default((), "x86_64")["architectures"][0] == "SCMP_ARCH_X86_64"
    assert "architectures" not in default((), "other")


def test_a_profile_of_a_file_keeps_what_a_runtime_understands(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    rule = {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": [], "comment": "x", "includes": {}}
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1, "syscalls": [rule]}))
    found = of_file(path, "x86_64")
    assert found["syscalls"] == [{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "args": []}]
    assert (found["defaultErrnoRet"], found["architectures"][0]) == (1, "SCMP_ARCH_X86_64")
    for text in ("", "[]", "{}", '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[1]}'):
        path.write_text(text)
        with pytest.raises(BadProfile):
            of_file(path)
    with pytest.raises(BadProfile, match="No such file"):
        of_file(tmp_path / "none")


@pytest.mark.real
@pytest.mark.parametrize("binary", ["crun", "runc"])
async def test_the_kernel_keeps_the_profile(binary: str, tmp_path: Path) -> None:
    profile = tmp_path / "p.json"
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    script = "grep Seccomp: /proc/self/status | cut -f2; mkdir /made 2>/dev/null && echo made; unshare -U true 2>&1"
    async with machine(binary) as m:
        sandbox = await m.sandbox()
        said: dict[str, list[str]] = {}
        for wanted in ("", "RuntimeDefault", str(profile)):
            container = await m.run(sandbox, "sh", "-c", script, security=Security(seccomp=wanted))
            await m.ended(container)
            said[wanted] = [line.removeprefix("stdout F ") for line in m.output(container)]
        assert said[""][:2] == ["0", "made"]
        assert said["RuntimeDefault"][:2] == ["2", "made"]
        assert "Operation not permitted" in said["RuntimeDefault"][2]
        assert said[str(profile)][0] == "2" and "made" not in said[str(profile)]
        with pytest.raises(RuntimeFailure, match="cannot load seccomp profile"):
            await m.run(sandbox, "true", security=Security(seccomp=str(tmp_path / "none")))


@pytest.mark.real
async def test_ordinary_programs_run_under_the_default_profile() -> None:
    script = (
        "import subprocess, threading, socket, os, tempfile; t = threading.Thread(target=print, args=('thread',)); "
    )
    script += (
        "t.start(); t.join(); print(subprocess.run(['id', '-u'], capture_output=True, text=True).stdout.strip()); "
    )
    script += "a, b = socket.socketpair(); os.chown(tempfile.mkdtemp(), 1, 1); print('done')"
    async with machine() as m:
        security = Security(seccomp="RuntimeDefault")
        container = await m.run(await m.sandbox(), "python3", "-c", script, security=security)
        await m.ended(container)
        assert m.output(container) == ["stdout F thread", "stdout F 0", "stdout F done"]
