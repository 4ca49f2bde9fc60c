"""`podling node …`: nodes for a running cluster, real or simulated, and what nodes there are."""

from __future__ import annotations

import argparse
import re

from podling.cluster.interrupts import Interrupts
from podling.cluster.steps import Steps
from podling.env import SystemEnv

from .command import Command, Failure, add_name, existing, say
from .start import node_count, own_count, start_or_fail

_POOL = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="add a node, or simulated ones by --fake N")
    kind = add.add_mutually_exclusive_group()
    kind.add_argument("--count", type=own_count, metavar="N", help="so many nodes of the cluster's own (default: 1)")
    kind.add_argument("--fake", type=node_count, metavar="N", help="so many simulated nodes")
    add.add_argument("pool", nargs="?", metavar="NAME", help="the pool of the simulated ones (default: fake)")
    add.add_argument("--cpu", help="what each of them has (default: 32)")
    add.add_argument("--memory", help="default: 256Gi")
    add.add_argument("--pods", type=int, help="how many Pods each of them takes (default: 110)")
    add.add_argument("--zones", type=int, help="spread them over so many zones")
    add.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    taint = add.add_mutually_exclusive_group()
    taint.add_argument("--tainted", action="store_true", default=None, help="the default beside a real node")
    taint.add_argument("--untainted", dest="tainted", action="store_false", help="take every Pod")
    listing = actions.add_parser("list", help="list nodes, simulated ones by their pool")
    delete = actions.add_parser("delete", help="delete a node with all on it, or a pool")
    delete.add_argument("pool", metavar="NAME")
    for each in (add, listing, delete):
        each.add_argument("--name", default=argparse.SUPPRESS, help="which cluster (default: podling)")


def run(parsed: argparse.Namespace) -> int:
    from podling.cluster.nodes import NodesError

    acts = {"add": _add, "list": _list, "delete": _delete}
    try:
        acts[parsed.action](parsed)
    except NodesError as error:
        raise Failure(str(error)) from error
    except PermissionError as error:
        raise Failure(f"{error.filename} belongs to root: use sudo") from error
    return 0


def _add(parsed: argparse.Namespace) -> None:
    if parsed.fake is None:
        _add_own(parsed)
    else:
        _add_simulated(parsed)


def _add_own(parsed: argparse.Namespace) -> None:
    from podling.cluster.process import Process
    from podling.cluster.start import Wishes

    simulated = ("pool", "cpu", "memory", "pods", "zones", "tainted")
    if parsed.label or any(getattr(parsed, each) is not None for each in simulated):
        raise Failure("a pool and what its nodes have is for simulated ones: add --fake N", 2)
    paths, spec = existing(parsed)
    if Process.load(paths.server_pid) is None:
        raise Failure(f'cluster "{spec.name}" does not run: podling start')
    count = parsed.count or 1
    again = ["node", "add", *(["--count", str(count)] if count > 1 else []), "--name", spec.name]
    interrupts = Interrupts()
    with interrupts.deferred(parsed.settled):
        steps = Steps(SystemEnv(), say)
        say(f'Adding {"a node" if count == 1 else f"{count} nodes"} to cluster "{spec.name}"')
        grown = start_or_fail(paths, Wishes(nodes=len(spec.numbers) + count), steps, interrupts, again)
        say(f"Ready after {steps.elapsed:.2f} s.")
        for node in grown.nodes if grown else ():
            if node.number not in spec.numbers:
                say(f"NodePorts answer at {node.host_address} too ({node.name}).")


def _add_simulated(parsed: argparse.Namespace) -> None:
    import msgspec

    from podling.cluster.nodes import add
    from podling.simulatednodes.pool import Pool

    paths, spec = existing(parsed)
    name = parsed.pool or "fake"
    if not _POOL.fullmatch(name):
        raise Failure(f"{name!r} is no name for a pool: lower case letters, digits and '-'", 2)
    known = spec.pools.get(name) or Pool(count=0, tainted=not spec.simulated)
    given = {key: getattr(parsed, key) for key in ("cpu", "memory", "pods", "zones", "tainted")}
    wanted = msgspec.structs.replace(
        known,
        count=parsed.fake,
        labels=dict(known.labels) | dict(map(_label, parsed.label)),
        **{key: value for key, value in given.items() if value is not None},
    )
    grown = add(paths, spec, name, wanted, SystemEnv())
    say(f"Pool {name} has {grown.count} simulated nodes: nothing runs in their Pods.")
    if grown.tainted:
        say("They take only Pods that tolerate the taint podling.dev/simulated=true:NoSchedule.")


def _label(text: str) -> tuple[str, str]:
    key, found, value = text.partition("=")
    if not found:
        raise Failure(f"--label wants KEY=VALUE, not {text!r}", 2)
    return key, value


def _list(parsed: argparse.Namespace) -> None:
    from podling.cluster.nodes import listed

    found = listed(*existing(parsed))
    say(f"{'NAME':<24} {'KIND':<12} {'NODES':>7} {'READY':>7}  VERSION")
    for each in found:
        say(f"{each.name:<24} {each.kind:<12} {each.nodes:>7} {each.ready:>7}  {each.version}")


def _delete(parsed: argparse.Namespace) -> None:
    from podling.cluster.nodes import delete

    count = delete(*existing(parsed), parsed.pool)
    say(f"Deleted: {parsed.pool} ({count} {'node' if count == 1 else 'nodes'})")


COMMAND = Command("node", "add, list and delete nodes, real or simulated", run, arguments)
