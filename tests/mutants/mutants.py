"""Eleven bugs a control plane could have, each planted by changing one place: what the exploration of seeds is worth.

A mutant names the file below `src/podling`, the text that has to stand there exactly once, and what stands there
instead. Where the code moves on, the mutant has to move along: a test looks that every one still fits.
"""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    name: str
    file: str
    right: str
    wrong: str


MUTANTS = (
    Mutant(
        "a rollout takes one Pod more than maxSurge",
        "reconcile/rollouts.py",
        "return shares.resolve(rolling.max_surge, self.replicas, up=True) if",
        "return shares.resolve(rolling.max_surge, self.replicas, up=True) + 1 if",
    ),
    Mutant(
        "a rollout gives up one ready Pod too many",
        "reconcile/rollouts.py",
        "    least = rollout.replicas - rollout.unavailable\n",
        "    least = rollout.replicas - rollout.unavailable - 1\n",
    ),
    Mutant(
        "a StatefulSet does not wait for the Pods before",
        "controllers/statefulset.py",
        "        elif waits and not members.available(ordinal):\n",
        "        elif waits and pod.head.deleting:\n",
    ),
    Mutant(
        "an update of a DaemonSet does not ask how many may be unavailable",
        "controllers/daemonset.py",
        "    return Changes(delete=[*broken, *working[: max(0, room)]])\n",
        "    return Changes(delete=[*broken, *working])\n",
    ),
    Mutant(
        "a creation whose answer was lost is forgotten",
        "controllermanager/doer.py",
        "            outcome = Outcome(sights=await self._after_loss(action), failure=error)\n",
        "            outcome = Outcome(failure=error)\n",
    ),
    Mutant(
        "the scheduler does not count what a node has",
        "scheduler/plugins/noderesourcesfit.py",
        "        if asked and asked > allocatable - requested[name]:\n",
        "        if asked and asked > allocatable:\n",
    ),
    Mutant(
        "the scheduler overlooks taints that are not about running Pods",
        "scheduler/plugins/tainttoleration.py",
        '        if taint.effect != "PreferNoSchedule" and not tolerated(taint, facts.pod.spec.tolerations):\n',
        '        if taint.effect == "NoExecute" and not tolerated(taint, facts.pod.spec.tolerations):\n',
    ),
    Mutant(
        "an informer keeps what vanished while it did not look",
        "client/informer.py",
        "            if key not in now:\n",
        "            if key not in now and not key:\n",
    ),
    Mutant(
        "a status is written again though nothing changed",
        "reconcile/replicas.py",
        '    if _significant(body.get("status") or {}) == _significant(status):\n',
        '    if body.get("status") is None:\n',
    ),
    Mutant(
        "the garbage collector leaves everybody an orphan",
        "controllers/garbagecollector.py",
        "    if ORPHAN in finalizers:\n",
        "    if ORPHAN in finalizers or finalizers:\n",
    ),
    Mutant(
        "a quota is looked at and not obeyed",
        "apiserver/admission/resourcequota.py",
        "            if wrong := tally.exceeded(more):\n",
        "            if (wrong := tally.exceeded(more)) and not more:\n",
    ),
)
