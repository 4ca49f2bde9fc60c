"""The API server of a test suite in a process of its own: store, server, and the controllers that were asked for."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop

from podling.apiserver.config import Config
from podling.apiserver.server import ApiServer
from podling.apiserver.streams.table import STREAMS
from podling.controllermanager.manager import ControllerManager
from podling.controllermanager.served import served_by
from podling.env import Env, SystemEnv
from podling.envtest.configuring import config_of
from podling.envtest.controllers import UnknownController, chosen
from podling.envtest.etcd import DATA_PATH
from podling.envtest.flags import FlagError, Given
from podling.network.unixdialer import RefusingDialer
from podling.pki.tokens import TokenSigner
from podling.reconcile.controller import Controller
from podling.reconcile.view import Settings
from podling.storage.interface import StorageError
from podling.storage.sqlite import Options, SqliteStorage
from podling.supervise import Supervisor

NO_NODES = "there are no nodes beside this kube-apiserver (Podling's envtest): nothing runs behind this address"
PATIENCE = 10.0


class Unable(Exception):
    """Why the server cannot start, for the user."""


def serve(given: Given, controllers: Sequence[str]) -> None:
    """Until SIGTERM or SIGINT. Raises Unable."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    env = SystemEnv()
    try:
        uvloop.run(_live(given, config_of(given, env), chosen(controllers), env))
    except UnknownController as error:
        raise Unable(str(error)) from error
    except StorageError as error:
        raise Unable(str(error)) from error
    except OSError as error:
        raise Unable(_reason(error, given)) from error


async def _live(given: Given, config: Config, controllers: Sequence[Controller], env: Env) -> None:
    async with AsyncExitStack() as stack:
        storage = await _storage(given, env)
        stack.push_async_callback(storage.close)
        tasks = await stack.enter_async_context(Supervisor())
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, tasks.finish)
        server = ApiServer(config, storage, env, RefusingDialer(NO_NODES), streams=STREAMS)
        await server.start()
        stack.push_async_callback(server.stop)
        tasks.start("storage", storage.run())
        tasks.start("api server", server.wait())
        if controllers:
            token_signer = TokenSigner(config.token_key).sign
            settings = Settings(config.certificate.decode(), token_signer=token_signer, started=env.now())
            transport = server.transport("system:kube-controller-manager")
            known = served_by(server.backend.catalog)
            manager = ControllerManager(transport, env, settings, known, controllers=controllers)
            tasks.start("controllers", manager.run())
        # What is loaded now stays: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        await tasks.wait()


async def _storage(given: Given, env: Env) -> SqliteStorage:
    """The file below the data folder of the etcd that was named."""
    urls = given.listed("etcd-servers")
    if not urls:
        raise FlagError("--etcd-servers must be specified")
    data = await _ask_etcd(urls[0])
    prefix = given.get("etcd-prefix", "/registry").strip("/").replace("/", "-") or "root"
    folder = Path(data["dataDir"]) / "member"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = Options(synchronous="FULL" if data["fsync"] else "OFF")
    return await SqliteStorage.open(str(folder / f"{prefix}.db"), env, options)


async def _ask_etcd(url: str) -> Mapping[str, Any]:
    """Where its data lies. Raises Unable where no etcd of ours answers."""
    host, _, port = url.partition("://")[2].rstrip("/").rpartition(":")
    if not url.startswith("http://") or not port.isdecimal():
        raise FlagError(f"--etcd-servers has to be http://HOST:PORT here, not {url}")
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.write(f"GET {DATA_PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
    except (OSError, TimeoutError) as error:
        raise Unable(f"no etcd answers at {url}: {error}") from error
    if b" 200 " not in head.splitlines()[0]:
        raise Unable(f"{url} is another etcd: this kube-apiserver needs the one that was written beside it")
    found: Mapping[str, Any] = json.loads(body)
    return found


def _reason(error: OSError, given: Given) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"failed to listen on {given.get('bind-address')}:{given.get('secure-port')}: the port is taken"
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
