"""Entering namespaces without taking anybody along."""

from __future__ import annotations

import os
import socket

import pytest

from podling.network.namespaces import inside, new_netns, socket_inside

pytestmark = pytest.mark.real


def here() -> str:
    return os.readlink("/proc/thread-self/ns/net")


def test_the_calling_thread_stays_where_it_is() -> None:
    before, netns = here(), new_netns()
    try:
        there = inside(netns, here)
        assert there != before
        assert inside(netns, here) == there
        assert here() == before
    finally:
        os.close(netns)


def test_a_socket_belongs_to_the_namespace_it_was_made_in() -> None:
    netns = new_netns()
    with socket_inside(netns, socket.AF_INET, socket.SOCK_STREAM) as sock:
        with pytest.raises(OSError):  # loopback is down in there
            sock.connect(("127.0.0.1", 1))
        assert sock.get_inheritable() is False
    os.close(netns)


def test_what_fails_inside_is_raised_outside() -> None:
    netns = new_netns()
    with pytest.raises(ZeroDivisionError):
        inside(netns, lambda: 1 // 0)
    os.close(netns)
    with pytest.raises(OSError, match="setns"):
        inside(netns, here)
