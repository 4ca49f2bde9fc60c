"""The unit y: CPU seconds of a bare HTTPS server per 1,000 requests of 1 KiB, taken in the same minutes.

Divided by it, figures of different machines compare. The unit is that of Go's net/http, measured by the program
apibench. Where that is not at hand, a bare uvloop server in a child process stands in for it, which parses nothing,
answers every request with the same kilobyte, and is loaded by the same client as the API server.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys

from .load import Target, closed_loop, opened
from .process import precise_cpu_seconds

NET_HTTP_PER_BARE = 0.6
"""Six pairs taken in turn: net/http .024–.028 s under its own client, the bare server .038–.054 s under ours."""
REQUESTS = 2000
CONNECTIONS = 8


def of_apibench(program: str, seconds: float = 1.0) -> float:
    """y by Go's net/http. `program` is the path of apibench."""
    command = [program, "yardstick", "-conns", str(CONNECTIONS), "-duration", f"{seconds:g}s"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)[0]["server_cpu_s_per_1000"])


async def of_bare_server() -> float:
    """The stand-in for y."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bareserver", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        port = int(await child.stdout.readline())
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        async with opened(Target("127.0.0.1", port, tls), CONNECTIONS) as made:
            await closed_loop(made, REQUESTS // 4, lambda c, _: c.request("GET", "/"))
            before = precise_cpu_seconds(child.pid)
            await closed_loop(made, REQUESTS, lambda c, _: c.request("GET", "/"))
            spent = precise_cpu_seconds(child.pid) - before
    finally:
        child.stdin.close()
        await child.wait()
    return NET_HTTP_PER_BARE * spent * 1000 / REQUESTS


async def measured(program: str | None, rounds: int = 3) -> float:
    """The least of some rounds, by apibench where its path is given."""
    found = []
    for _ in range(rounds):
        found.append(await asyncio.to_thread(of_apibench, program) if program else await of_bare_server())
    return min(found)
