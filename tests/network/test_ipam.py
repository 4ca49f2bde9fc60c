"""The pool of Pod addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.network.ipam import Ipam, PoolExhausted

SMALL = IPv4Network("10.244.0.0/29")


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh"))))
def test_no_two_holders_ever_share_an_address(steps: list[tuple[bool, str]]) -> None:
    ipam, held = Ipam(SMALL), dict[str, IPv4Address]()
    for take, holder in steps:
        if not take:
            assert ipam.release(holder) == held.pop(holder, None)
        elif holder in held or len(held) < 5:
            address = ipam.take(holder)
            assert held.get(holder, address) == address
            held[holder] = address
        else:
            with pytest.raises(PoolExhausted):
                ipam.take(holder)
    assert len(set(held.values())) == len(held)
    assert all(address in SMALL for address in held.values())


def test_an_address_given_back_is_not_the_next_one_given() -> None:
    ipam = Ipam(SMALL)
    first = ipam.take("a")
    ipam.release("a")
    assert ipam.take("b") != first


def test_adopted_addresses_are_not_given_again() -> None:
    ipam = Ipam(SMALL)
    ipam.adopt("old", IPv4Address("10.244.0.4"))
    ipam.adopt("older", IPv4Address("10.244.0.2"))
    assert ipam.take("old") == IPv4Address("10.244.0.4")
    assert {str(ipam.take(name)) for name in "abc"} == {"10.244.0.3", "10.244.0.5", "10.244.0.6"}


def test_two_sandboxes_cannot_adopt_the_same_address() -> None:
    ipam = Ipam(SMALL)
    ipam.adopt("a", IPv4Address("10.244.0.4"))
    with pytest.raises(ValueError, match=r"10\.244\.0\.4 is held"):
        ipam.adopt("b", IPv4Address("10.244.0.4"))
