"""The text of the nftables rules: flat maps instead of a chain per Service and endpoint.

One verdict map leads a front to the chain for its number of endpoints K; that chain draws a number below K and looks
the endpoint up in the map of all fronts with K endpoints. 10,000 Services load in 0.4 s and change in 0.7 ms; a chain
per Service and endpoint, as kube-proxy writes it, takes 23 s and 110 ms (DESIGN 15). Nothing is executed here:
`Ruleset` remembers what the kernel holds and writes the commands that lead from there to what is wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from podling.proxy.services import Change, Front, Rule

TABLE = "podling"

_HEAD = """\
add table ip {table}
delete table ip {table}
table ip {table} {{
  map fronts {{ typeof ip daddr . meta l4proto . th dport : verdict; }}
  set refused {{ typeof ip daddr . meta l4proto . th dport; }}
  set selves {{ typeof ip saddr . ip daddr; }}
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject with icmp type port-unreachable
  }}
  chain begun {{
    tcp flags & (fin | syn | rst | ack) != syn accept
  }}
  chain unserved {{
    ct state established,related accept
    jump begun
    ip daddr . meta l4proto . th dport @refused goto refuse
    ip daddr {services} goto refuse
  }}
  chain nat-prerouting {{
    type nat hook prerouting priority -100; policy accept;
    jump begun
    ip daddr . meta l4proto . th dport vmap @fronts
  }}
  chain nat-output {{
    type nat hook output priority -100; policy accept;
    jump begun
    ip daddr . meta l4proto . th dport vmap @fronts
  }}
  chain nat-postrouting {{
    type nat hook postrouting priority 100; policy accept;
    ct status dnat ip saddr . ip daddr @selves masquerade
  }}
  chain unserved-prerouting {{
    type filter hook prerouting priority -50; policy accept;
    jump unserved
  }}
  chain unserved-output {{
    type filter hook output priority -50; policy accept;
    jump unserved
  }}
}}
"""
# A connection that began before these rules (through the userspace proxy) goes on: only a first packet is translated
# or refused. Refusing stands before routing, for a front outside of the Service network has no route to be refused on,
# and after the translation, which leaves only what no front claimed.

_MAP = """\
add map ip {table} e{k} {{ typeof ip daddr . meta l4proto . th dport . numgen random mod 16 : ip daddr . th dport; }}
add chain ip {table} n{k}
add rule ip {table} n{k} dnat ip to ip daddr . meta l4proto . th dport . numgen random mod {k} map @e{k}
add chain ip {table} a{k}
add rule ip {table} a{k} dnat ip to ip daddr . meta l4proto . th dport . jhash ip saddr mod {k} seed 0x706f map @e{k}
"""


class Ruleset:
    """What the kernel holds of us, as far as changing it needs to know."""

    def __init__(self, services: str) -> None:
        """`services`: the Service network; what nothing claims in it is refused."""
        self._services = services
        self._rules: dict[Front, Rule] = {}
        self._maps: set[int] = set()
        self._selves: Counter[str] = Counter()

    def load(self, rules: Mapping[Front, Rule]) -> str:
        """Commands that replace the whole table by these rules, in one transaction."""
        self._rules, self._maps, self._selves = {}, set(), Counter()
        return _HEAD.format(table=TABLE, services=self._services) + self.change(Change(rules))

    def change(self, change: Change) -> str:
        """Commands for a change, in one transaction; empty if nothing is to be done."""
        gone = [front for front in change.removed if front in self._rules]
        replaced = {f: r for f, r in change.set.items() if f in self._rules and not _same(self._rules[f], r)}
        new = {f: r for f, r in change.set.items() if f not in self._rules}
        written = replaced | new
        writer = _Writer()
        touched = {
            address: address in self._selves
            for rule in (*(self._rules[front] for front in (*gone, *replaced)), *written.values())
            for address, _ in rule.endpoints
        }
        for front in (*gone, *replaced):
            self._forget(writer, front, self._rules.pop(front))
        for front, rule in written.items():
            self._remember(writer, front, rule)
        self._rules |= change.set
        for address, was_there in touched.items():
            if was_there != (address in self._selves):
                writer.put("delete" if was_there else "add", "selves", f"{address} . {address}")
        maps = "".join(_MAP.format(table=TABLE, k=k) for k in self._new_maps(written))
        return maps + writer.text("delete") + writer.text("add")

    def clear(self) -> str:
        """Commands that leave nothing of us."""
        self._rules, self._maps, self._selves = {}, set(), Counter()
        return f"add table ip {TABLE}\ndelete table ip {TABLE}\n"

    def _new_maps(self, written: Mapping[Front, Rule]) -> list[int]:
        new = sorted({len(rule.endpoints) for rule in written.values() if rule.endpoints} - self._maps)
        self._maps.update(new)
        return new

    def _remember(self, writer: _Writer, front: Front, rule: Rule) -> None:
        writer.front("add", front, rule, with_values=True)
        self._selves.update(address for address, _ in rule.endpoints)

    def _forget(self, writer: _Writer, front: Front, rule: Rule) -> None:
        writer.front("delete", front, rule, with_values=False)
        for address, _ in rule.endpoints:
            self._selves[address] -= 1
            if not self._selves[address]:
                del self._selves[address]


def _same(one: Rule, other: Rule) -> bool:
    """Whether both are written alike: how long affinity lasts is not."""
    return one.endpoints == other.endpoints and bool(one.affinity) == bool(other.affinity)


class _Writer:
    """Collects elements so that each map is named once per command: many small commands cost more."""

    def __init__(self) -> None:
        self._collected: dict[str, dict[str, list[str]]] = {"add": {}, "delete": {}}

    def front(self, verb: str, front: Front, rule: Rule, *, with_values: bool) -> None:
        key = f"{front.address} . {front.protocol.lower()} . {front.port}"
        count = len(rule.endpoints)
        if not count:
            self.put(verb, "refused", key)
            return
        chain = f"{'a' if rule.affinity else 'n'}{count}"
        self.put(verb, "fronts", f"{key} : goto {chain}" if with_values else key)
        for number, (address, port) in enumerate(rule.endpoints):
            value = f" : {address} . {port}" if with_values else ""
            self.put(verb, f"e{count}", f"{key} . {number}{value}")

    def put(self, verb: str, name: str, element: str) -> None:
        self._collected[verb].setdefault(name, []).append(element)

    def text(self, verb: str) -> str:
        # The verdict goes before the endpoints it leads to, and comes after them.
        collected = sorted(self._collected[verb].items(), key=lambda item: (item[0] == "fronts") == (verb == "add"))
        return "".join(_elements(verb, name, elements) for name, elements in collected)


def _elements(verb: str, name: str, elements: Iterable[str]) -> str:
    text = ", ".join(elements)
    return f"{verb} element ip {TABLE} {name} {{ {text} }}\n" if text else ""
