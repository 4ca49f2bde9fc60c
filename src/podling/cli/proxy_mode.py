"""`podling proxy-mode MODE`: switch how Services lead to Pods, while the cluster runs."""

from __future__ import annotations

import argparse

from .command import Command, Failure, add_name, existing, say
from .start import proxy_mode


def arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("mode", type=proxy_mode, nargs="?", help="nftables or userspace; without it, say which it is")


def run(parsed: argparse.Namespace) -> int:
    from podling.cluster.proxymode import ProxyModeError, switch

    paths, spec = existing(parsed)
    if parsed.mode is None:
        say(spec.proxy_mode)
        return 0
    try:
        running = switch(paths, spec, parsed.mode)
    except ProxyModeError as error:
        raise Failure(str(error)) from error
    say(f"Services are proxied by {parsed.mode}{'' if running else ' from the next start on'}.")
    return 0


COMMAND = Command("proxy-mode", "switch how Services lead to Pods: nftables or userspace", run, arguments)
