"""The files of /etc that belong to a Pod rather than to its image: hosts, hostname, resolv.conf.

Texts are upstream's. (Kubernetes documentation, "Adding entries to Pod /etc/hosts with HostAliases", "DNS for Services
and Pods".)
"""

from __future__ import annotations

from pathlib import Path

from podling.api.kinds.core.pod import Pod

_LOCAL = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)
LONGEST_HOSTNAME = 63
MOST_NAMESERVERS, MOST_SEARCHES = 3, 32


def hostname(pod: Pod, node_name: str) -> str:
    """What `hostname` answers inside the Pod."""
    spec = pod.spec
    if spec.hostname_override:
        return spec.hostname_override
    if spec.host_network:
        return node_name
    name = spec.hostname or pod.metadata.name[:LONGEST_HOSTNAME].rstrip("-.")
    return _fqdn(pod, name, "cluster.local") or name if spec.set_hostname_as_fqdn else name


def _fqdn(pod: Pod, name: str, domain: str) -> str:
    subdomain = pod.spec.subdomain
    return f"{name}.{subdomain}.{pod.metadata.namespace}.svc.{domain}" if subdomain else ""


def hosts(pod: Pod, pod_ip: str, domain: str, of_node: str) -> str:
    """/etc/hosts; `of_node` is the node's own file, taken over by Pods in the node's network."""
    if pod.spec.host_network:
        text = f"# Kubernetes-managed hosts file (host network).\n{of_node}"
    else:
        name = pod.spec.hostname or pod.metadata.name[:LONGEST_HOSTNAME].rstrip("-.")
        full = _fqdn(pod, name, domain)
        names = f"{full}\t{name}" if full else name
        text = f"# Kubernetes-managed hosts file.\n{_LOCAL}{pod_ip}\t{names}\n"
    if pod.spec.host_aliases:
        text += "\n# Entries added by HostAliases.\n"
        for alias in pod.spec.host_aliases:
            text += "\t".join((alias.ip, *alias.hostnames)) + "\n"
    return text


def resolv_conf(pod: Pod, cluster_dns: str, domain: str, of_node: str) -> str:
    """/etc/resolv.conf; `of_node` is the node's own file, used by dnsPolicy Default and by host network Pods."""
    spec = pod.spec
    policy = spec.dns_policy or "ClusterFirst"
    if policy == "ClusterFirst" and spec.host_network:
        policy = "Default"
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str | None] = {}
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet"):
        servers = [cluster_dns]
        searches = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain]
        options = {"ndots": "5"}
    elif policy == "Default":
        servers, searches, options = _parsed(of_node)
    config = spec.dns_config
    if config is not None:
        servers += [server for server in config.nameservers if server not in servers]
        searches += [search for search in config.searches if search not in searches]
        options |= {option.name: option.value for option in config.options}
    return _written(servers[:MOST_NAMESERVERS], searches[:MOST_SEARCHES], options)


def _parsed(text: str) -> tuple[list[str], list[str], dict[str, str | None]]:
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str | None] = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            servers += words[1:2]
        elif words[0] == "search":
            searches = words[1:]
        elif words[0] == "options":
            for word in words[1:]:
                name, found, value = word.partition(":")
                options[name] = value if found else None
    return servers, searches, options


def _written(servers: list[str], searches: list[str], options: dict[str, str | None]) -> str:
    text = f"search {' '.join(searches)}\n" if searches else ""
    text += "".join(f"nameserver {server}\n" for server in servers)
    if options:
        words = [name if value is None else f"{name}:{value}" for name, value in options.items()]
        text += f"options {' '.join(words)}\n"
    return text


def node_file(path: str) -> str:
    """A file of the node; empty where there is none."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""
