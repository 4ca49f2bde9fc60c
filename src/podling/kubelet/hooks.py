"""postStart and preStop: what a container asks to be done right after its start and before its end.

The handlers are those of the probes, with two differences, both upstream's: any answer to an httpGet is good, whatever
its status, and a tcpSocket is accepted by the API for old times' sake and fails. (Kubernetes documentation, "Container
Lifecycle Hooks", and the API reference of `LifecycleHandler`.)
"""

from __future__ import annotations

from podling.api.kinds.core.container import LifecycleHandler
from podling.env import Env
from podling.kubelet.probes.http import answered
from podling.kubelet.probes.registry import ask
from podling.kubelet.probes.types import Outcome, Target

AGENT = "kube-lifecycle/1.37"


async def run_hook(hook: LifecycleHandler, target: Target, env: Env, timeout: float) -> str:
    """Carry one hook out within `timeout` seconds; the answer is empty or why it failed.

    In a simulated container nothing can be done, and so nothing fails.
    """
    if target.runtime.simulated:
        return ""
    if hook.sleep is not None:
        await env.sleep(min(float(hook.sleep.seconds), timeout))
        return ""
    if hook.http_get is not None:
        answer = await answered(hook.http_get, target, timeout, AGENT)
        return answer.output if isinstance(answer, Outcome) else ""
    if hook.exec is None:
        return "invalid handler: only exec, httpGet and sleep are for lifecycle hooks"
    outcome = await ask(hook, target, timeout)
    return "" if outcome.result == "success" else outcome.output or "the hook failed"
