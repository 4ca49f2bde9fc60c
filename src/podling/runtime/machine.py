"""What this machine lets a container have."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from podling.keeper import cgroups
from podling.runtime.capabilities import from_mask
from podling.runtime.spec import Host

SYS_RESOURCE = "SYS_RESOURCE"


class NoRuntime(Exception):
    """The binary is not there or does not run."""


def this_host() -> Host:
    """Read once, at the start; of the calling process, whose limits the keeper shares."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    capabilities = from_mask(int(fields["CapBnd"], 16))
    where = cgroups.discover()
    own_score = int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))
    lowest = -1000 if SYS_RESOURCE in capabilities else own_score
    return Host(capabilities, cgroups.available(where), lowest, bool(where.unified), cgroups.counts_swap(where))


def find_binary(name: str) -> str:
    """The absolute path of `crun` or `runc`. Raises NoRuntime."""
    found = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise NoRuntime(f"{name} is not installed")
    return found


def version_of(binary: str) -> str:
    """`1.8.1` of `crun version 1.8.1`. Raises NoRuntime."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NoRuntime(f"{binary} does not run: {error}") from error
    return said.splitlines()[0].rpartition(" ")[2].partition("+")[0]
