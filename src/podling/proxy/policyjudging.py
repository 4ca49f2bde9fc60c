"""Judging NetworkPolicies: from policies, Pods and the labels of namespaces to addresses; again only what has changed.

A Pod comes, goes or gets an address many times a second where Jobs run, and most policies do not look at it. So each
policy's verdict is kept until something changes that it sees. Even one change may concern a hundred policies, and each
of them every Pod: the work is an iterator of small steps, and whoever takes them lets others have their turns.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import NamedTuple

from podling.api.labels import Selector
from podling.proxy.policies import Allowance, Door, Inhabitant, Judgement, Peers, PolicyKey, Side
from podling.proxy.policyreading import Json, Peer, Policy, Rule, read

PodKey = tuple[str, str]
"""Namespace and name."""
Steps = Generator[None, None, None]


class _Verdict(NamedTuple):
    """What one policy says of one direction."""

    isolated: frozenset[str]
    """Addresses."""
    allowed: tuple[Allowance, ...]


_NOTHING = _Verdict(frozenset(), ())


class Judging:
    """Tell it what there is and what changes, take all `steps`, and then ask for the `judgement`."""

    def __init__(self) -> None:
        self._policies: dict[PolicyKey, Policy] = {}
        self._pods: dict[str, dict[PodKey, Inhabitant]] = {}
        self._labels: dict[str, Mapping[str, str]] = {}
        self._stale: set[PolicyKey] = set()
        self._found: dict[tuple[Peer, ...], tuple[str, ...]] = {}
        """Addresses found in this round: many policies name the same peers."""
        self._sides = (_Side(), _Side())
        self._judgement: Judgement | None = None

    def policy(self, key: PolicyKey, policy: Json | None) -> None:
        """It is so now; None: it is gone."""
        self._stale.add(key)
        if policy is None:
            self._policies.pop(key, None)
        else:
            self._policies[key] = read(key, policy)

    def pod(self, key: PodKey, pod: Inhabitant | None) -> None:
        """None: it has no address of its own (any more)."""
        pods = self._pods.setdefault(key[0], {})
        old = pods.pop(key, None)
        if pod is not None:
            pods[key] = pod
        if old != pod:
            self._outdate(lambda policy: any(each and self._sees(policy, each) for each in (old, pod)))

    def namespace(self, name: str, labels: Mapping[str, str]) -> None:
        """Its labels; none where it is gone."""
        old = self._labels.get(name, {})
        self._labels[name] = labels
        if old != labels:
            selectors = (peer.namespaces for policy in self._policies.values() for peer in policy.peers())
            changed = {
                each for each in selectors if isinstance(each, Selector) and each.matches(old) != each.matches(labels)
            }
            self._outdate(lambda policy: any(peer.namespaces in changed for peer in policy.peers()))

    def steps(self) -> Steps:
        """Bring the judgement up to date; in between nothing may be told."""
        self._found.clear()
        for key in sorted(self._stale):
            for side, verdict in zip(self._sides, (yield from self._verdicts(key)), strict=True):
                if side.verdicts.get(key, _NOTHING) != verdict:
                    self._judgement = None
                    yield from side.replace(key, verdict)
            self._stale.discard(key)

    @property
    def judgement(self) -> Judgement:
        """As of the last complete round of steps."""
        if self._judgement is None:
            self._judgement = Judgement(*(side.copy() for side in self._sides))
        return self._judgement

    def _outdate(self, concerned: Callable[[Policy], bool]) -> None:
        for key, policy in self._policies.items():
            if key not in self._stale and concerned(policy):
                self._stale.add(key)

    def _sees(self, policy: Policy, pod: Inhabitant) -> bool:
        """Whether the verdict is another one without this Pod."""
        if pod.namespace == policy.key[0] and policy.pods.matches(pod.labels):
            return True
        if any(self._among(peer, pod) for peer in policy.peers()):
            return True
        named = {(name, protocol) for name, protocol, _ in pod.ports}
        return bool(named) and not named.isdisjoint(policy.goals())

    def _among(self, peer: Peer, pod: Inhabitant) -> bool:
        wanted = peer.namespaces
        if isinstance(wanted, str):
            return wanted == pod.namespace and peer.pods.matches(pod.labels)
        return peer.pods.matches(pod.labels) and wanted.matches(self._labels.get(pod.namespace, {}))

    def _verdicts(self, key: PolicyKey) -> Generator[None, None, tuple[_Verdict, _Verdict]]:
        policy = self._policies.get(key)
        selected = list(self._chosen(Peer(key[0], policy.pods))) if policy is not None else []
        yield
        if policy is None or not selected:
            return _NOTHING, _NOTHING
        isolated = frozenset(each.address for each in selected)
        verdicts = []
        for rules, receivers in ((policy.ingress, selected), (policy.egress, None)):
            allowed = []
            for rule in rules or ():
                allowance = yield from self._allowance(rule, receivers)
                allowed += [allowance] if allowance is not None else []
            verdicts.append(_NOTHING if rules is None else _Verdict(isolated, tuple(allowed)))
        return verdicts[0], verdicts[1]

    def _allowance(self, rule: Rule, receivers: Iterable[Inhabitant] | None) -> Generator[None, None, Allowance | None]:
        """None where the rule lets nothing pass. `receivers`: None where anybody may receive."""
        peers = None if rule.everybody else Peers((yield from self._addresses(rule.peers)), rule.networks)
        if peers == ((), ()):
            return None
        if rule.ports is None:
            return Allowance(peers, None)
        doors: set[Door] = set()
        if rule.names:
            for group in (receivers,) if receivers is not None else (pods.values() for pods in self._pods.values()):
                doors.update(_doors(group, rule.names))
                yield
        return Allowance(peers, rule.ports, tuple(sorted(doors))) if rule.ports or doors else None

    def _addresses(self, peers: tuple[Peer, ...]) -> Generator[None, None, tuple[str, ...]]:
        if (known := self._found.get(peers)) is None:
            found: set[str] = set()
            for peer in peers:
                found.update(each.address for each in self._chosen(peer))
                yield
            known = self._found[peers] = tuple(sorted(found))
        return known

    def _chosen(self, peer: Peer) -> Iterator[Inhabitant]:
        wanted, pods = peer
        if isinstance(wanted, str):
            names: Iterable[str] = (wanted,)
        else:
            names = (name for name in self._pods if wanted.matches(self._labels.get(name, {})))
        found = (each for name in names for each in self._pods.get(name, {}).values())
        return (each for each in found if pods.matches(each.labels)) if pods else found


class _Side:
    """One direction, as far as its policies have been judged."""

    def __init__(self) -> None:
        self.verdicts: dict[PolicyKey, _Verdict] = {}
        self._isolated: dict[str, list[PolicyKey]] = {}

    def replace(self, key: PolicyKey, verdict: _Verdict) -> Steps:
        before = self.verdicts.pop(key, _NOTHING)
        if verdict.isolated:
            self.verdicts[key] = verdict
        for address in before.isolated - verdict.isolated:
            self._isolated[address].remove(key)
            if not self._isolated[address]:
                del self._isolated[address]
        yield
        for address in verdict.isolated - before.isolated:
            insort(self._isolated.setdefault(address, []), key)
        yield

    def copy(self) -> Side:
        isolated = {address: tuple(self._isolated[address]) for address in sorted(self._isolated)}
        return Side(isolated, {key: self.verdicts[key].allowed for key in sorted(self.verdicts)})


def _doors(pods: Iterable[Inhabitant], names: frozenset[tuple[str, str]]) -> Iterator[Door]:
    return (
        Door(protocol, each.address, number)
        for each in pods
        for name, protocol, number in each.ports
        if (name, protocol) in names
    )


def judge(
    policies: Mapping[PolicyKey, Json], pods: Iterable[Inhabitant], namespaces: Mapping[str, Mapping[str, str]]
) -> Judgement:
    """From scratch, in one go. `policies`: JSON of NetworkPolicies. `namespaces`: their labels by name."""
    judging = Judging()
    for key, policy in policies.items():
        judging.policy(key, policy)
    for name, labels in namespaces.items():
        judging.namespace(name, labels)
    for number, pod in enumerate(pods):
        judging.pod((pod.namespace, str(number)), pod)
    for _ in judging.steps():
        pass
    return judging.judgement
