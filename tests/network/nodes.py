"""A node's network for tests: a child process in a namespace of its own, running one async function.

The test process never enters a namespace. The child unshares before its loop and threads exist, as the node
process does; what the function raises or returns comes back through a pipe.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from podling.network.namespaces import CLONE_NEWNET, unshare
from podling.network.node import set_up_node

NODE_IP = "172.31.0.2"
PODS = "10.244.0.0/24"
SERVICES = "10.96.0.0/12"
SECONDS = 30

real = pytest.mark.real


def on_a_node(function: Callable[[], Awaitable[Any]]) -> Any:
    """Run `function` in a fresh node namespace and return its (picklable) result; fails with the child's trace."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(function, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as results:
        data = results.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        pytest.fail(f"the child ended without a word (status {status})")
    ok, value = pickle.loads(data)
    if not ok:
        pytest.fail(f"on the node:\n{value}")
    return value


def _child(function: Callable[[], Awaitable[Any]], writer: int) -> None:
    signal.alarm(SECONDS)
    try:
        unshare(CLONE_NEWNET)
        set_up_node(NODE_IP, SERVICES)
        result = (True, asyncio.run(function()))  # type: ignore[arg-type]
    except BaseException:  # noqa: BLE001 - told to the parent
        result = (False, traceback.format_exc())
    with os.fdopen(writer, "wb") as out:
        out.write(pickle.dumps(result))
    os._exit(0)
