"""Every answer of the cluster's DNS, decided from values alone.

The zone is kept per Service and incrementally; answers for names that exist are packed ahead of the question, so
that answering is one dictionary lookup. What does not exist is told with an SOA, so that a resolver with a search
path goes on to its next try at once. Names outside of the cluster are refused at once: there is no way out, and a
refusal is quicker and more honest than silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network

from podling.api.kinds.core.service import Service
from podling.api.kinds.discovery.endpointslice import EndpointSlice
from podling.dns.records import records_of
from podling.wire import dns
from podling.wire.dns import Answer, Query, Record, labels_of, name_in, pack_record, pack_records

ServiceKey = tuple[str, str]

_REVERSE = "in-addr.arpa"
_OURS = tuple(IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"))
"""Reverse names of private networks are answered here, also negatively (RFC 6303)."""

_OUTSIDE = Answer(dns.REFUSED, authoritative=False)
_TTL = 5
_CNAMES = 8


class Resolver:
    """Feed it Services, ask it queries."""

    def __init__(self, domain: str, server: str) -> None:
        """`domain`: cluster.local. `server`: the address of Service kube-dns."""
        self.domain = domain.strip(".").lower()
        self._zone: dict[str, dict[int, list[Record]]] = {}
        self._parents: Counter[str] = Counter()
        self._of_service: dict[ServiceKey, list[Record]] = {}
        self._packed: dict[tuple[bytes, int], Answer] = {}
        self.plain: dict[bytes, tuple[bytes, bytes]] = {}
        """By the question in lower case: answers to plain queries, see `wire.dns.pack_plain`."""
        apex, mailbox = f"ns.dns.{self.domain}", f"hostmaster.{self.domain}"
        self._soa = Record(self.domain, dns.SOA, dns.soa_data(apex, mailbox, 1, _TTL), _TTL)
        self._authority = (pack_record(self._soa),)
        self._add(self._soa)
        self._add(Record(self.domain, dns.NS, dns.wire_name(apex)))
        self._add(Record(apex, dns.A, IPv4Address(server).packed))
        self._add(Record(f"dns-version.{self.domain}", dns.TXT, dns.txt_data("1.1.0")))

    def update(self, key: ServiceKey, service: Service | None, slices: Sequence[EndpointSlice] = ()) -> None:
        """Service `key` is now this with these slices; None: it is gone."""
        records = records_of(service, slices, self.domain) if service is not None else []
        before = self._of_service.get(key, [])
        if records == before:
            return
        self._of_service.pop(key, None)
        if records:
            self._of_service[key] = records
        for record in before:
            self._remove(record)
        for record in records:
            self._add(record)
        for name in {record.name for record in (*before, *records)}:
            self._pack(name)

    def answer(self, query: Query) -> Answer:
        if query.rcode:
            return Answer(query.rcode, authoritative=False)
        if query.class_ != dns.INTERNET:
            return _OUTSIDE
        return self._packed.get((query.name, query.type)) or self._resolve(labels_of(query.name), query.type)

    def _resolve(self, labels: list[str], type_: int) -> Answer:
        name = ".".join(labels)
        if name == self.domain or name.endswith(f".{self.domain}"):
            return self._found(name, type_) or self._pod(name, labels, type_) or self._missing(name)
        if name.endswith(f".{_REVERSE}") and _is_private(labels[:-2]):
            return self._found(name, type_) or self._missing(name)
        return _OUTSIDE

    def _found(self, name: str, type_: int) -> Answer | None:
        """The records of a name that has any; NOERROR without an answer if none is of this type."""
        by_type = self._zone.get(name)
        if by_type is None:
            return None
        if type_ == dns.ANY:
            found = [record for records in by_type.values() for record in records]
        else:
            found = by_type.get(type_) or self._through_alias(by_type.get(dns.CNAME, ()), type_)
        if not found:
            return dns.negative(dns.NOERROR, self._authority)
        aliases = 0 if type_ == dns.ANY else sum(record.type == dns.CNAME for record in found)
        return Answer(dns.NOERROR, pack_records(found, name), additional=self._targets(found), aliases=aliases)

    def _through_alias(self, aliases: Sequence[Record], type_: int) -> list[Record]:
        """An ExternalName, and what it leads to as far as that is in the cluster."""
        found: list[Record] = []
        while aliases and len(found) < _CNAMES:
            found += aliases
            by_type = self._zone.get(name_in(aliases[0].data), {})
            if wanted := by_type.get(type_):
                return found + wanted
            aliases = by_type.get(dns.CNAME, ())
        return found

    def _targets(self, found: Iterable[Record]) -> tuple[bytes, ...]:
        """The addresses that SRV records lead to, so that nobody has to ask again."""
        targets = dict.fromkeys(name_in(record.data[6:]) for record in found if record.type == dns.SRV)
        return tuple(pack_record(record) for target in targets for record in self._zone.get(target, {}).get(dns.A, ()))

    def _pod(self, name: str, labels: list[str], type_: int) -> Answer | None:
        """`10-244-0-5.default.pod.cluster.local`: the address is in the name (CoreDNS' `pods insecure`)."""
        inner = labels[: -len(self.domain.split("."))]
        if len(inner) != 3 or inner[2] != "pod":
            return None
        try:
            address = IPv4Address(inner[0].replace("-", "."))
        except ValueError:
            return None
        if type_ not in (dns.A, dns.ANY):
            return dns.negative(dns.NOERROR, self._authority)
        return Answer(dns.NOERROR, pack_records([Record(name, dns.A, address.packed)], name))

    def _missing(self, name: str) -> Answer:
        """NXDOMAIN, but a name with names below it does exist (RFC 8020): then there is merely no answer."""
        exists = name in self._parents or name in (f"svc.{self.domain}", f"pod.{self.domain}")
        return dns.negative(dns.NOERROR if exists else dns.NXDOMAIN, self._authority)

    def _add(self, record: Record) -> None:
        self._zone.setdefault(record.name, {}).setdefault(record.type, []).append(record)
        self._parents.update(_above(record.name))

    def _remove(self, record: Record) -> None:
        by_type = self._zone[record.name]
        by_type[record.type].remove(record)
        if not by_type[record.type]:
            del by_type[record.type]
        if not by_type:
            del self._zone[record.name]
        for name in _above(record.name):
            self._parents[name] -= 1
            if not self._parents[name]:
                del self._parents[name]

    def _pack(self, name: str) -> None:
        """Make the answers of a name ready, or forget them; those that depend on other names are made when asked."""
        by_type = self._zone.get(name, {})
        wire = dns.wire_name(name)
        for type_ in (dns.A, dns.AAAA, dns.PTR):
            question = wire + bytes((0, type_, 0, dns.INTERNET))
            self._packed.pop((wire, type_), None)
            self.plain.pop(question, None)
            if dns.CNAME in by_type or (ready := self._found(name, type_)) is None:
                continue
            self._packed[(wire, type_)] = ready
            if (plain := dns.pack_plain(question, ready)) is not None:
                self.plain[question] = plain


def _above(name: str) -> list[str]:
    """The names that exist because this one does."""
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]


def _is_private(labels: list[str]) -> bool:
    """Whether reversed labels (5.0.244.10) are of a private network, or a part of one."""
    try:
        numbers = [int(label) for label in reversed(labels)]
        start = IPv4Address(bytes((numbers + [0] * 4)[:4]))
    except ValueError:
        return False
    return len(labels) <= 4 and any(start in network for network in _OURS)
