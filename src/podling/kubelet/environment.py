"""The environment of a container: services first, then `envFrom`, then `env`, later ones over earlier ones.

Pure: ConfigMaps, Secrets and Services are handed in as views. What cannot be resolved is a `ConfigError`, which the
worker shows as CreateContainerConfigError with upstream's words. (Kubernetes documentation, "Define Environment
Variables for a Container", "Discovering services".)
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping

import msgspec

from podling.api.kinds.certificates.clustertrustbundle import ClusterTrustBundle
from podling.api.kinds.core.configmap import ConfigMap
from podling.api.kinds.core.container import EnvFromSource, EnvVar, EnvVarSource
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.references import FileKeySelector
from podling.api.kinds.core.secret import Secret
from podling.api.kinds.core.service import Service
from podling.kubelet import downward, envfile
from podling.kubelet.downward import NodeFacts
from podling.kubelet.expansion import expand
from podling.kubelet.podstate import AnyContainer


class ConfigError(Exception):
    """A container cannot be configured: something it refers to is not there."""


class Sources(msgspec.Struct, frozen=True):
    """What a Pod's references resolve to; None stands for an object that does not exist."""

    config_maps: Mapping[str, ConfigMap | None] = {}
    secrets: Mapping[str, Secret | None] = {}
    trust_bundles: tuple[ClusterTrustBundle, ...] = ()
    """All of the cluster, for Pods that mount any."""
    services: tuple[Service, ...] = ()
    """Those of the Pod's namespace, and `kubernetes` of the default one."""
    files: Mapping[tuple[str, str], str | None] = {}
    """Texts of the files of variables, by volume and path."""


def environment(
    pod: Pod, container: AnyContainer, pod_ip: str, sources: Sources, node: NodeFacts
) -> tuple[tuple[str, str], ...]:
    """All variables, in a stable order. Raises ConfigError."""
    links = pod.spec.enable_service_links is not False
    known = service_variables(sources.services, pod.metadata.namespace, links=links)
    out: dict[str, str] = {}
    for source in container.env_from:
        out |= _from(source, pod.metadata.namespace, sources)
    for variable in container.env:
        value = _value(variable, pod, container, pod_ip, sources, node, {**known, **out})
        if value is not None:
            out[variable.name] = value
    return tuple({**known, **out}.items())


def _from(source: EnvFromSource, namespace: str, sources: Sources) -> dict[str, str]:
    if source.config_map_ref is not None:
        reference = source.config_map_ref
        config_map = sources.config_maps.get(reference.name)
        if config_map is None:
            return _missing("configmap", reference.name, reference.optional)
        return {source.prefix + key: value for key, value in config_map.data.items()}
    if source.secret_ref is not None:
        wanted = source.secret_ref
        secret = sources.secrets.get(wanted.name)
        if secret is None:
            return _missing("secret", wanted.name, wanted.optional)
        return {source.prefix + key: _text(value) for key, value in secret.data.items()}
    return {}


def _missing(kind: str, name: str, optional: bool | None) -> dict[str, str]:
    if optional:
        return {}
    raise ConfigError(f'{kind} "{name}" not found')


def _value(
    variable: EnvVar,
    pod: Pod,
    container: AnyContainer,
    pod_ip: str,
    sources: Sources,
    node: NodeFacts,
    known: Mapping[str, str],
) -> str | None:
    source = variable.value_from
    if source is None:
        return expand(variable.value, known)
    try:
        if source.field_ref is not None:
            return downward.field(pod, source.field_ref.field_path, pod_ip, node)
        if source.resource_field_ref is not None:
            return downward.resource(pod, container, source.resource_field_ref, node)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return _by_key(source, pod.metadata.namespace, sources)


def _by_key(source: EnvVarSource, namespace: str, sources: Sources) -> str | None:
    if source.config_map_key_ref is not None:
        ref = source.config_map_key_ref
        config_map = sources.config_maps.get(ref.name)
        if config_map is None:
            _missing("configmap", ref.name, ref.optional)
        elif ref.key in config_map.data:
            return config_map.data[ref.key]
        elif not ref.optional:
            raise ConfigError(f"couldn't find key {ref.key} in ConfigMap {namespace}/{ref.name}")
    elif source.secret_key_ref is not None:
        wanted = source.secret_key_ref
        secret = sources.secrets.get(wanted.name)
        if secret is None:
            _missing("secret", wanted.name, wanted.optional)
        elif wanted.key in secret.data:
            return _text(secret.data[wanted.key])
        elif not wanted.optional:
            raise ConfigError(f"couldn't find key {wanted.key} in Secret {namespace}/{wanted.name}")
    elif source.file_key_ref is not None:
        return _from_file(source.file_key_ref, sources)
    return None


def _from_file(ref: FileKeySelector, sources: Sources) -> str | None:
    text = sources.files.get((ref.volume_name, ref.path))
    if text is None and not ref.optional:
        raise ConfigError(f'couldn\'t parse env file: there is no file "{ref.path}" in volume "{ref.volume_name}"')
    try:
        found = envfile.value(text or "", ref.key)
    except ValueError as error:
        raise ConfigError(f"couldn't parse env file: {error}") from error
    if not found and not ref.optional:
        raise ConfigError(f'environment variable key "{ref.key}" not found in file "{ref.path}"')
    return found or None


def _text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode("utf-8", "surrogateescape")
    except binascii.Error as error:
        raise ConfigError(f"a value of the secret is not base64: {error}") from error


def service_variables(services: Iterable[Service], namespace: str, *, links: bool) -> dict[str, str]:
    """`REDIS_SERVICE_HOST` and its family; without links only those of the `kubernetes` Service."""
    chosen: dict[str, Service] = {}
    for service in services:
        meta = service.metadata
        if service.spec.cluster_ip in ("", "None"):
            continue
        master = meta.namespace == "default" and meta.name == "kubernetes"
        if (links and meta.namespace == namespace) or (master and meta.name not in chosen):
            chosen[meta.name] = service
    out: dict[str, str] = {}
    for name in sorted(chosen):
        out |= _variables_of(chosen[name])
    return out


def _variables_of(service: Service) -> dict[str, str]:
    spec = service.spec
    prefix = service.metadata.name.upper().replace("-", "_")
    if not spec.ports:
        return {}
    out = {f"{prefix}_SERVICE_HOST": spec.cluster_ip, f"{prefix}_SERVICE_PORT": str(spec.ports[0].port)}
    for port in spec.ports:
        if port.name:
            out[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
    for index, port in enumerate(spec.ports):
        protocol = (port.protocol or "TCP").lower()
        url = f"{protocol}://{spec.cluster_ip}:{port.port}"
        link = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        if index == 0:
            out[f"{prefix}_PORT"] = url
        out |= {
            link: url,
            f"{link}_PROTO": protocol,
            f"{link}_PORT": str(port.port),
            f"{link}_ADDR": spec.cluster_ip,
        }
    return out


def files(container: AnyContainer) -> frozenset[tuple[str, str]]:
    """The files of variables that a container names, by volume and path."""
    found = (variable.value_from.file_key_ref for variable in container.env if variable.value_from is not None)
    return frozenset((ref.volume_name, ref.path) for ref in found if ref is not None)


def references(pod: Pod) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the ConfigMaps and Secrets the variables of a Pod refer to."""
    config_maps: dict[str, None] = {}
    secrets: dict[str, None] = {}
    spec = pod.spec
    everyone: tuple[AnyContainer, ...] = spec.init_containers + spec.containers + spec.ephemeral_containers
    for container in everyone:
        for source in container.env_from:
            if source.config_map_ref is not None:
                config_maps[source.config_map_ref.name] = None
            if source.secret_ref is not None:
                secrets[source.secret_ref.name] = None
        for variable in container.env:
            value_from = variable.value_from
            if value_from is not None and value_from.config_map_key_ref is not None:
                config_maps[value_from.config_map_key_ref.name] = None
            if value_from is not None and value_from.secret_key_ref is not None:
                secrets[value_from.secret_key_ref.name] = None
    return tuple(config_maps), tuple(secrets)
