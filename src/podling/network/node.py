"""The node's own network namespace, set up once: loopback, InternalIP, forwarding, the way to Services.

Nothing here has a route out, so nothing can leave: Pod and Service addresses exist only inside (DESIGN 12). The
Service network is routed to the node itself (AnyIP). For the nftables proxy that route only lets a packet of the
node start, its destination is rewritten before it is used; for the userspace proxy it is what makes the sockets of
the relay reachable; and what no Service claims is refused at once instead of timing out.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from podling.network import netlink
from podling.network.netlink import Netlink

_LOOPBACK = 1
_OURS = ("lo", "pod", "fabric")

# Values of this namespace only. Reverse-path filtering is inherited from the host and would see asymmetry in the
# replies of a Pod that talks to itself through its Service. "Network unreachable" is told as often as it is so. Another
# node asks on its cable who has our InternalIP, which lies on the loopback.
_SYSCTLS = {
    "ip_forward": "1",
    "conf/all/rp_filter": "0",
    "conf/default/rp_filter": "0",
    "conf/all/arp_ignore": "0",
    "conf/default/arp_ignore": "0",
    "icmp_ratelimit": "0",
}


def set_up_node(internal_ip: str, service_network: str) -> None:
    """Make the calling thread's network namespace a node's; repeating it changes nothing.

    Raises RuntimeError in a namespace where other links than ours are up: that would be the host's. (Links that are
    down prove nothing: some kernels put tunnels into every new namespace.)
    """
    address, services = IPv4Address(internal_ip), IPv4Network(service_network)
    with Netlink() as node:
        strangers = [name for name in netlink.links_up(node) if not name.startswith(_OURS)]
        if strangers:
            raise RuntimeError(f"not a namespace of ours: it has {', '.join(strangers)}")
        node.run(
            [
                netlink.link_up(_LOOPBACK),
                netlink.new_address(_LOOPBACK, address),
                netlink.local_route(services, _LOOPBACK, address),
            ]
        )
    for name, value in _SYSCTLS.items():
        Path("/proc/sys/net/ipv4", name).write_text(value, encoding="ascii")
