"""exec: does a command in the container end with 0?"""

from __future__ import annotations

from typing import Any

from podling.kubelet.backoff import go_duration
from podling.kubelet.probes.types import Outcome, ProbeType, Target
from podling.runtime.interface import RuntimeFailure


class _ExecProbe:
    source = "exec"

    async def ask(self, action: Any, target: Target, timeout: float) -> Outcome:
        try:
            result = await target.runtime.exec_sync(target.id, action.command, timeout)
        except RuntimeFailure as error:
            return Outcome("unknown", error.message)
        except OSError as error:
            return Outcome("unknown", str(error))
        output = result.output.decode("utf-8", "replace")
        if result.timed_out:
            words = " ".join(action.command)
            return Outcome("failure", f'command timed out: "{words}" timed out after {go_duration(timeout)}')
        return Outcome("failure" if result.exit_code else "success", output)


PROBE: ProbeType = _ExecProbe()
