"""A Pod's cable: a point-to-point veth pair and one /32 route, no bridge.

A bridge loses replies of Services whose Pods are on the same node (they bypass conntrack) and a Pod's traffic to
itself through its Service; with a pair per Pod every packet is routed, and both work (DESIGN 12). Inside, the Pod
sees eth0 with its /32 and a default route to 169.254.1.1, an address that every node-side end carries. Nothing is
kept but who holds which address; the kernel removes the pair when the Pod's namespace goes.
"""

from __future__ import annotations

import errno
from ipaddress import IPv4Address, IPv4Network

from podling.env import Env
from podling.network import netlink
from podling.network.ipam import Ipam
from podling.network.namespaces import netlink_inside
from podling.network.netlink import Netlink, NetlinkError

GATEWAY = IPv4Address("169.254.1.1")
_LOOPBACK, _ETH0 = 1, 2


def link_name(address: IPv4Address) -> str:
    """The node-side end of the Pod with this address, e.g. pod0af40005."""
    return f"pod{int(address):08x}"


class PodNetwork:
    """Gives Pods of this node their addresses and cables. Runs in the node's network namespace."""

    def __init__(self, network: str, node_ip: str, env: Env) -> None:
        """`network`: the node's share of the Pod addresses (10.244.0.0/24). `node_ip`: its InternalIP."""
        self._ipam = Ipam(IPv4Network(network))
        self._node_ip = IPv4Address(node_ip)
        self._env = env

    async def add(self, sandbox_id: str, netns_fd: int) -> str:
        """Connect the network namespace behind `netns_fd` and return the Pod's address.

        Called again for the same sandbox it makes the cable anew with the same address. Raises PoolExhausted or
        OSError; then nothing is held.
        """
        known = self._ipam.get(sandbox_id)
        address = self._ipam.take(sandbox_id)
        try:
            await self._env.in_thread(self._connect, address, netns_fd)
        except BaseException:
            if known is None:
                self._ipam.release(sandbox_id)
            raise
        return str(address)

    async def remove(self, sandbox_id: str) -> None:
        """Nothing reaches the Pod any more, and its address may be given again; nothing happens where there is none.

        The cable stays until the Pod's namespace goes: the kernel takes many namespaces down at once, but waits
        20 ms for every link that is deleted by itself.
        """
        address = self._ipam.get(sandbox_id)
        if address is None:
            return
        index = self._link_index(address)
        with Netlink() as node:
            gone = netlink.route_to_link(IPv4Network(address), index, self._node_ip, delete=True)
            node.run([gone], forgiven=[errno.ESRCH, errno.ENODEV])
        self._ipam.release(sandbox_id)

    def adopt(self, sandbox_id: str, ip: str) -> None:
        """A sandbox that the keeper held before this process was born; its cable is there."""
        self._ipam.adopt(sandbox_id, IPv4Address(ip))

    def _connect(self, address: IPv4Address, netns_fd: int) -> None:
        index = self._link_index(address)
        with netlink_inside(netns_fd) as pod, Netlink() as node:
            name = link_name(address)
            _plug(node, pod, name, netlink.new_veth(name, "eth0", netns_fd, index=index, peer_index=_ETH0))
            node.run(
                [
                    netlink.link_address(index, GATEWAY),
                    netlink.route_to_link(IPv4Network(address), index, self._node_ip),
                ]
            )
            pod.run(
                [
                    netlink.link_up(_LOOPBACK),
                    netlink.link_up(_ETH0),
                    netlink.new_address(_ETH0, address),
                    netlink.route_to_link(IPv4Network(GATEWAY), _ETH0),
                    netlink.default_route(GATEWAY, _ETH0),
                ]
            )

    def _link_index(self, address: IPv4Address) -> int:
        """The number of the node's end follows from the address, so that nothing has to be asked or remembered."""
        return 1000 + int(address) - int(self._ipam.network.network_address)


def _plug(node: Netlink, pod: Netlink, name: str, veth: netlink.Message) -> None:
    try:
        node.run([veth])
    except NetlinkError as error:
        if error.errno != errno.EEXIST:
            raise
        # In the way, at this end or at the other, is the pair of a Pod whose namespace has not gone yet, or of a
        # process before this one that died halfway.
        pod.run([netlink.delete_link(_ETH0)], forgiven=[errno.ENODEV])
        node.run([netlink.delete_link(name=name)], forgiven=[errno.ENODEV])
        node.run([veth])
