"""postStart and preStop: what a container asks to be done right after its start and before its end."""

from __future__ import annotations

from podling.api.kinds.core.container import LifecycleHandler
from podling.env import Env
from podling.kubelet.probes.registry import ask
from podling.kubelet.probes.types import Target


async def run_hook(hook: LifecycleHandler, target: Target, env: Env, timeout: float) -> str:
    """Carry one hook out within `timeout` seconds; the answer is empty or why it failed.

    In a simulated container nothing can be done, and so nothing fails.
    """
    if target.runtime.simulated:
        return ""
    if hook.sleep is not None:
        await env.sleep(min(float(hook.sleep.seconds), timeout))
        return ""
    outcome = await ask(hook, target, timeout)
    return "" if outcome.result == "success" else outcome.output or "the hook failed"
