"""A container as it is declared: the typed views of everything inside `spec.containers[]`.

Containers, init containers and ephemeral containers share all of it but their wrappers; Pod templates of every
workload kind end here.
"""

from __future__ import annotations

from podling.api.kinds.core.references import (
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    FileKeySelector,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretEnvSource,
    SecretKeySelector,
)
from podling.api.kinds.core.security import SecurityContext
from podling.api.kinds.view import View, field


class ContainerPort(View, frozen=True):
    name: str = ""
    host_port: int = 0
    container_port: int = 0
    protocol: str = ""
    host_ip: str = field(default="", name="hostIP")


class EnvVarSource(View, frozen=True):
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: ConfigMapKeySelector | None = None
    secret_key_ref: SecretKeySelector | None = None
    file_key_ref: FileKeySelector | None = None


class EnvVar(View, frozen=True):
    name: str = ""
    value: str = ""
    value_from: EnvVarSource | None = None


class EnvFromSource(View, frozen=True):
    prefix: str = ""
    config_map_ref: ConfigMapEnvSource | None = None
    secret_ref: SecretEnvSource | None = None


class ResourceClaim(View, frozen=True):
    name: str = ""
    request: str = ""


class ResourceRequirements(View, frozen=True):
    limits: dict[str, str] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    claims: tuple[ResourceClaim, ...] = ()


class ContainerResizePolicy(View, frozen=True):
    resource_name: str = ""
    restart_policy: str = ""


class ContainerRestartRuleOnExitCodes(View, frozen=True):
    operator: str = ""
    values: tuple[int, ...] = ()


class ContainerRestartRule(View, frozen=True):
    action: str = ""
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class VolumeMount(View, frozen=True):
    name: str = ""
    read_only: bool = False
    recursive_read_only: str | None = None
    mount_path: str = ""
    sub_path: str = ""
    mount_propagation: str | None = None
    sub_path_expr: str = ""
    bind_mount_options: tuple[str, ...] = ()


class VolumeDevice(View, frozen=True):
    name: str = ""
    device_path: str = ""


class HTTPHeader(View, frozen=True):
    name: str = ""
    value: str = ""


class HTTPGetAction(View, frozen=True):
    path: str = ""
    port: int | str = 0
    host: str = ""
    scheme: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()
    protocol: str | None = None


class ExecAction(View, frozen=True):
    command: tuple[str, ...] = ()


class TCPSocketAction(View, frozen=True):
    port: int | str = 0
    host: str = ""


class GRPCAction(View, frozen=True):
    port: int = 0
    service: str | None = None
    mode: str | None = None


class SleepAction(View, frozen=True):
    seconds: int = 0


class Probe(View, frozen=True):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    failure_threshold: int = 0
    termination_grace_period_seconds: int | None = None


class LifecycleHandler(View, frozen=True):
    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(View, frozen=True):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class Container(View, frozen=True):
    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    env: tuple[EnvVar, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    volume_devices: tuple[VolumeDevice, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    termination_message_path: str = ""
    termination_message_policy: str = ""
    image_pull_policy: str = ""
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


class EphemeralContainer(Container, frozen=True):
    """A container added to a running Pod; its ports, probes and hooks stay empty."""

    target_container_name: str = ""
