"""Entering namespaces, which only a thread that does nothing else may do.

`setns` and `unshare` change the calling thread for ever, so a thread of a pool that entered a Pod would carry its
next task into the Pod too. Here a thread is born, enters, does one thing and ends. Mostly that one thing is to make
a socket: a socket stays in the namespace where it was made and can then be used from the event loop.
Python 3.11 has neither call; ctypes has both on every version.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from podling.network.netlink import NETLINK_ROUTE, Netlink

T = TypeVar("T")

CLONE_NEWNS = 0x0002_0000
CLONE_NEWNET = 0x4000_0000


def setns(fd: int, kind: int = 0) -> None:
    """Move the calling thread into the namespace behind `fd`; `kind` (CLONE_NEW…) guards against a wrong one."""
    _call("setns", ctypes.c_int(fd), ctypes.c_int(kind))


def unshare(kinds: int) -> None:
    """Give the calling thread new namespaces of these kinds (CLONE_NEW…)."""
    _call("unshare", ctypes.c_int(kinds))


def inside(netns_fd: int, function: Callable[[], T]) -> T:
    """What `function` returns or raises when called in that network namespace, in a thread of its own."""
    return _in_own_thread(lambda: setns(netns_fd, CLONE_NEWNET), function)


def new_netns() -> int:
    """A descriptor that holds a fresh network namespace in which nothing is up."""

    def opened() -> int:
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return _in_own_thread(lambda: unshare(CLONE_NEWNET), opened)


def socket_inside(netns_fd: int, family: int, kind: int, protocol: int = 0) -> socket.socket:
    return inside(netns_fd, lambda: socket.socket(family, kind | socket.SOCK_CLOEXEC, protocol))


def netlink_inside(netns_fd: int) -> Netlink:
    return Netlink(socket_inside(netns_fd, socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE))


def _in_own_thread(enter: Callable[[], None], function: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            enter()
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            failures.append(error)

    thread = threading.Thread(target=run, name="namespace")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _call(name: str, *arguments: ctypes.c_int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
