"""Kubernetes' libraries of IP addresses and CIDRs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from podling.api.cel.errors import CelEvaluationError
from podling.api.cel.function import Function, text_of, walked, wrong
from podling.api.cel.values import Value

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface
_MAPPED: Final = re.compile(r"::ffff:\d+\.\d+\.\d+\.\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ip(Value):
    address: Address
    type_name = "net.IP"

    @property
    def text(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Cidr(Value):
    interface: Network
    """The address as it was written, with its prefix."""
    type_name = "net.CIDR"

    @property
    def text(self) -> str:
        return str(self.interface)


def _read_ip(text: str) -> Ip:
    """Raises CelEvaluationError."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise CelEvaluationError(f"IP Address '{text}' parse error during conversion from string") from None
    if address.version == 6 and "%" in text:
        raise CelEvaluationError(f"IP address '{text}' with zone value is not allowed")
    if _mapped(address):
        raise CelEvaluationError(f"IPv4-mapped IPv6 address '{text}' is not allowed")
    return Ip(address)


def _mapped(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def _read_cidr(text: str) -> Cidr:
    try:
        if not re.fullmatch(r"[^/]+/\d+", text):
            raise ValueError
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise CelEvaluationError(
            f"network address parse error during conversion from string: {text!r} is no CIDR"
        ) from None
    if _mapped(interface.ip):
        raise CelEvaluationError(f"IPv4-mapped IPv6 address '{text}' is not allowed")
    return Cidr(interface)


def _holds(read: Callable[[str], object]) -> Callable[[Any], bool]:
    def run(text: Any) -> bool:
        try:
            read(text_of(text))
        except CelEvaluationError:
            return False
        return True

    return run


def _ip(value: Any) -> Ip:
    """`ip('10.0.0.1')`, or the address of a CIDR."""
    return Ip(value.interface.ip) if isinstance(value, Cidr) else _read_ip(text_of(value))


def _canonical(text: Any) -> bool:
    return bool(_read_ip(text_of(text)).text == text)


def _about(test: Callable[[Address], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        if isinstance(value, Ip):
            return test(value.address)
        raise wrong()

    return run


def _global(address: Address) -> bool:
    """As Go has it: private addresses are global unicast too."""
    broadcast = str(address) == "255.255.255.255"
    return not (
        address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local or broadcast
    )


def _local_multicast(address: Address) -> bool:
    if address.version == 4:
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02


def _cidr(value: Any) -> Network:
    if isinstance(value, Cidr):
        return value.interface
    raise wrong()


def _contains_ip(value: Any, sought: Any) -> bool:
    address = sought if isinstance(sought, Ip) else _read_ip(text_of(sought))
    network = _cidr(value).network
    return network.version == address.address.version and address.address in network


def _contains_cidr(value: Any, sought: Any) -> bool:
    inner = _cidr(sought if isinstance(sought, Cidr) else _read_cidr(text_of(sought))).network
    network = _cidr(value).network
    if isinstance(network, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(network)
    if isinstance(network, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(network)
    return False


def _masked(value: Any) -> Cidr:
    return Cidr(ipaddress.ip_interface(str(_cidr(value).network)))


_ANSWERS: Final = (
    ("isUnspecified", lambda address: address.is_unspecified),
    ("isLoopback", lambda address: address.is_loopback),
    ("isLinkLocalMulticast", _local_multicast),
    ("isLinkLocalUnicast", lambda address: address.is_link_local),
    ("isGlobalUnicast", _global),
)

FUNCTIONS: Final = (
    Function("ip", _ip, ("(string) -> net.IP", "net.CIDR.() -> net.IP"), walked),
    Function("isIP", _holds(_read_ip), ("(string) -> bool",), walked),
    Function("ip.isCanonical", _canonical, ("(string) -> bool",), walked),
    Function("family", _about(lambda address: address.version), ("net.IP.() -> int",)),
    *(Function(name, _about(test), ("net.IP.() -> bool",)) for name, test in _ANSWERS),
    Function("cidr", lambda text: _read_cidr(text_of(text)), ("(string) -> net.CIDR",), walked),
    Function("isCIDR", _holds(_read_cidr), ("(string) -> bool",), walked),
    Function("containsIP", _contains_ip, ("net.CIDR.(net.IP) -> bool", "net.CIDR.(string) -> bool")),
    Function("containsCIDR", _contains_cidr, ("net.CIDR.(net.CIDR) -> bool", "net.CIDR.(string) -> bool")),
    Function("prefixLength", lambda value: _cidr(value).network.prefixlen, ("net.CIDR.() -> int",)),
    Function("masked", _masked, ("net.CIDR.() -> net.CIDR",)),
)
