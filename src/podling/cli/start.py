"""`podling start`: a cluster, step by step, with times."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from podling.cluster import spec as wishes_of
from podling.cluster.audit import AuditWish
from podling.cluster.interrupts import Interrupts
from podling.cluster.nodespec import MOST_NODES
from podling.cluster.paths import ClusterPaths
from podling.cluster.spec import ClusterSpec, SpecError
from podling.cluster.steps import Steps
from podling.env import SystemEnv

from .command import Command, Failure, add_name, paths_of, say

if TYPE_CHECKING:
    from podling.cluster.start import Wishes

MOST_FAKE_NODES = 15_000
GONE_MODES = ("iptables", "ipvs")
AUDIT_LIMITS = {
    "audit-log-maxsize": "MiB of the log before it is put aside and a new one begun (default: 100)",
    "audit-log-maxbackup": "logs put aside that are kept (default: 100)",
    "audit-log-maxage": "days they are kept (default: 366)",
}
"""Options called as kube-apiserver's, in the order of AuditWish."""


def add_wishes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--proxy-mode", type=proxy_mode, default="nftables", help="nftables (default) or userspace")
    parser.add_argument("--runtime", choices=get_args(wishes_of.RuntimeName), default="crun")


def proxy_mode(text: str) -> str:
    """argparse's type: a mode of ours, or why another one is not."""
    if text in GONE_MODES:
        raise argparse.ArgumentTypeError(f"{text} is not a mode of Podling: nftables does the same with fewer rules")
    if text not in get_args(wishes_of.ProxyMode):
        raise argparse.ArgumentTypeError(f"{text!r} is none of nftables, userspace")
    return text


def arguments(parser: argparse.ArgumentParser) -> None:
    add_name(parser)
    parser.add_argument("--proxy-mode", type=proxy_mode, help="nftables (default) or userspace")
    parser.add_argument("--runtime", choices=get_args(wishes_of.RuntimeName), help="crun (default), runc or fake")
    parser.add_argument("--store", choices=get_args(wishes_of.StoreName), help="sqlite (default) or memory")
    parser.add_argument(
        "--api-profile",
        choices=get_args(wishes_of.ProfileName),
        help="book (default: with removed versions) or current",
    )
    parser.add_argument(
        "--authorization-mode",
        choices=get_args(wishes_of.AuthorizationName),
        help="RBAC (default) or AlwaysAllow: every authenticated user may do everything",
    )
    parser.add_argument("--nodes", type=own_count, metavar="N", help="so many nodes with containers (default: 1)")
    parser.add_argument(
        "--fake-nodes", type=node_count, metavar="N", help="so many simulated nodes beside the cluster's own"
    )
    parser.add_argument(
        "--token-auth-file",
        metavar="FILE",
        help='bearer tokens and their users, token,user,uid,"group1,group2" a line; they are kept with the cluster',
    )
    parser.add_argument(
        "--audit-policy", metavar="FILE", help="tell of requests to a log, as this policy says; kept with the cluster"
    )
    parser.add_argument(
        "--audit-log", metavar="FILE", help="the log, a JSON object a line (default: audit.log in the cluster's folder)"
    )
    for option, what in AUDIT_LIMITS.items():
        parser.add_argument(f"--{option}", type=int, metavar="N", help=f"{what}; 0: no limit")


def own_count(text: str) -> int:
    """argparse's type: how many nodes of the cluster's own."""
    if not text.isdigit() or not 1 <= int(text) <= MOST_NODES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {MOST_NODES}")
    return int(text)


def node_count(text: str) -> int:
    """argparse's type: how many simulated nodes."""
    if not text.isdigit() or int(text) > MOST_FAKE_NODES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to {MOST_FAKE_NODES}")
    return int(text)


def run(parsed: argparse.Namespace) -> int:
    from podling.cluster.start import Wishes

    paths = paths_of(parsed)
    wishes = Wishes(
        proxy_mode=parsed.proxy_mode,
        runtime=parsed.runtime,
        store=parsed.store,
        profile=parsed.api_profile,
        authorization=parsed.authorization_mode,
        nodes=parsed.nodes,
        fake_nodes=parsed.fake_nodes,
        tokens=_tokens(parsed.token_auth_file),
        audit=_audit(parsed),
    )
    interrupts = Interrupts()
    with interrupts.deferred(parsed.settled):
        steps = Steps(SystemEnv(), say)
        say(f'Starting cluster "{paths.name}"')
        spec = start_or_fail(paths, wishes, steps, interrupts, _again(parsed))
        if spec is None:
            say(f'Cluster "{paths.name}" is running already.')
            if parsed.fake_nodes is not None:
                say("Its simulated nodes are as they were: podling node add --fake N adds some.")
        else:
            _conclude(spec, steps.elapsed)
    return 0


def start_or_fail(
    paths: ClusterPaths, wishes: Wishes, steps: Steps, interrupts: Interrupts, again: list[str]
) -> ClusterSpec | None:
    """`again`: the words of this command, for the offer to run it with sudo. None where nothing was missing."""
    from podling.cluster.start import StartError, start

    try:
        return start(paths, wishes, SystemEnv(), steps, interrupts, again)
    except (StartError, SpecError) as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        raise Failure("interrupted; nothing of this start is left", 130) from None


def _tokens(file: str | None) -> str | None:
    """The content of a token file that is one."""
    if file is None:
        return None
    from podling.apiserver.registry.statictokens import parse

    try:
        text = Path(file).read_text()
        parse(text)
    except (OSError, ValueError) as error:
        raise Failure(f"--token-auth-file {file}: {error}") from error
    return text


def _audit(parsed: argparse.Namespace) -> AuditWish | None:
    """What is told, and where; the policy has to be one."""
    policy, log = parsed.audit_policy, parsed.audit_log
    limits = {option: getattr(parsed, option.replace("-", "_")) for option in AUDIT_LIMITS}
    given = [option for option, value in {"audit-log": log, **limits}.items() if value is not None]
    if policy is None:
        if given:
            raise Failure(f"--{given[0]} needs --audit-policy, which says what is told")
        return None
    for option, value in limits.items():
        if value is not None and value < 0:
            raise Failure(f"--{option} {value} can't be a negative number")
    from podling.apiserver.audit.policy import parse

    try:
        text = Path(policy).read_text()
        parse(text)
        if log is not None and not Path(log).parent.is_dir():
            raise FileNotFoundError(f"{Path(log).parent} is no folder")
    except (OSError, ValueError) as error:
        raise Failure(f"--audit-policy {policy}: {error}") from error
    return AuditWish(text, str(Path(log).absolute()) if log is not None else "", *limits.values())


def _again(parsed: argparse.Namespace) -> list[str]:
    """This command's own words, for the offer to run it with sudo."""
    words = ["start"] + (["--name", parsed.name] if parsed.name != "podling" else [])
    for option in (
        "proxy_mode",
        "runtime",
        "store",
        "api_profile",
        "authorization_mode",
        "nodes",
        "fake_nodes",
        "token_auth_file",
        "audit_policy",
        "audit_log",
        "audit_log_maxsize",
        "audit_log_maxbackup",
        "audit_log_maxage",
    ):
        if (value := getattr(parsed, option)) is not None:
            words += [f"--{option.replace('_', '-')}", str(value)]
    return words


def _conclude(spec: ClusterSpec, seconds: float) -> None:
    say(f"Ready after {seconds:.2f} s.")
    if spec.simulated:
        say("Pods are simulated (--runtime fake): nothing runs in them.")
    else:
        addresses = [node.host_address for node in spec.nodes]
        where = addresses[0] if len(addresses) == 1 else f"{', '.join(addresses[:-1])} and {addresses[-1]}"
        say(f"NodePorts answer at {where}, for every user of this machine.")
    if count := sum(pool.count for pool in spec.pools.values()):
        say(f"{count} nodes are simulated: nothing runs in their Pods (podling node list).")
    if any(pool.tainted for pool in spec.pools.values()):
        say("Simulated nodes take only Pods that tolerate the taint podling.dev/simulated=true:NoSchedule.")
    if spec.authorization == "AlwaysAllow":
        say("Authorization: every authenticated user may do everything (--authorization-mode=AlwaysAllow).")


COMMAND = Command("start", "start a cluster, or start a stopped one again", run, arguments)
