"""A Pod's sandbox as the runtime is told it, and the files of /etc that go with its address."""

from __future__ import annotations

from podling.api.kinds.core.pod import Pod
from podling.kubelet import etcfiles, podstate, sysctls
from podling.kubelet.config import KubeletConfig
from podling.kubelet.podsync import grace_of
from podling.kubelet.qos import cgroup_of
from podling.runtime.interface import Sandbox, SandboxConfig


def sandbox_config(pod: Pod, id: str, node_name: str) -> SandboxConfig:
    meta, spec = pod.metadata, pod.spec
    return SandboxConfig(
        id=id,
        pod_uid=meta.uid,
        namespace=meta.namespace,
        name=meta.name,
        hostname=etcfiles.hostname(pod, node_name),
        host_network=spec.host_network,
        host_pid=spec.host_pid,
        host_ipc=spec.host_ipc,
        shared_pid=bool(spec.share_process_namespace) and not spec.host_pid,
        sysctls=sysctls.wanted(spec),
        labels={
            podstate.POD_UID: meta.uid,
            podstate.POD_NAME: meta.name,
            podstate.POD_NAMESPACE: meta.namespace,
            podstate.GRACE: str(grace_of(pod)),
        },
        cgroup=cgroup_of(pod),
    )


def write_etc(pod: Pod, sandbox: Sandbox, config: KubeletConfig) -> None:
    """hosts, hostname and resolv.conf in the Pod's folder. Raises OSError."""
    folder = config.pod_folder(pod.metadata.uid)
    folder.mkdir(parents=True, exist_ok=True)
    domain, policy = config.cluster_domain, pod.spec.dns_policy
    of_node = etcfiles.node_file("/etc/hosts") if pod.spec.host_network else ""
    servers = etcfiles.node_file("/etc/resolv.conf") if pod.spec.host_network or policy == "Default" else ""
    texts = {
        "hosts": etcfiles.hosts(pod, sandbox.ip, domain, of_node),
        "hostname": etcfiles.hostname(pod, config.node_name) + "\n",
        "resolv.conf": etcfiles.resolv_conf(pod, config.cluster_dns, domain, servers),
    }
    for name, text in texts.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o644)
