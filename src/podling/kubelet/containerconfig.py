"""From a declared container to what the runtime is told: a pure translation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from podling.api.kinds.core.container import EphemeralContainer
from podling.api.kinds.core.pod import Pod
from podling.api.kinds.core.security import PodSecurityContext, SecurityContext
from podling.kubelet import podstate
from podling.kubelet.environment import ConfigError
from podling.kubelet.expansion import expand
from podling.kubelet.podstate import AnyContainer
from podling.kubelet.podsync import Start, grace_of
from podling.runtime.interface import ContainerConfig, Image, Mount, Resources, Security


def container_config(
    pod: Pod,
    container: AnyContainer,
    step: Start,
    id: str,
    image: Image,
    variables: Sequence[tuple[str, str]],
    mounts: Sequence[Mount],
    resources: Resources,
    log_path: str,
    profiles: Path = Path("seccomp"),
) -> ContainerConfig:
    """Raises ConfigError where runAsNonRoot forbids what the image wants, or a target container does not run."""
    if isinstance(container, EphemeralContainer) and container.target_container_name and not step.target:
        raise ConfigError(f"unable to find target container {container.target_container_name}")
    known = dict(variables)
    return ContainerConfig(
        id=id,
        name=container.name,
        image=image.id,
        command=tuple(expand(word, known) for word in container.command),
        args=tuple(expand(word, known) for word in container.args),
        env=tuple(variables),
        working_dir=container.working_dir,
        mounts=tuple(mounts),
        resources=resources,
        security=security(pod, container, image, profiles),
        tty=container.tty,
        stdin=container.stdin,
        stdin_once=container.stdin_once,
        log_path=log_path,
        labels=_labels(pod, container, step, image),
        processes_of=step.target,
        stop_signal=(container.lifecycle.stop_signal or "") if container.lifecycle is not None else "",
    )


def _labels(pod: Pod, container: AnyContainer, step: Start, image: Image) -> dict[str, str]:
    return {
        podstate.POD_UID: pod.metadata.uid,
        podstate.POD_NAME: pod.metadata.name,
        podstate.POD_NAMESPACE: pod.metadata.namespace,
        podstate.CONTAINER_NAME: container.name,
        podstate.RESTART_COUNT: str(step.number),
        podstate.BACKOFF: str(step.delay),
        podstate.GRACE: str(grace_of(pod)),
        podstate.SPEC_IMAGE: container.image,
        podstate.RESOURCES: podstate.resources_label(container.resources),
        podstate.IMAGE: image_name(container.image, image),
        podstate.IMAGE_ID: image.digests[0] if image.digests else image.id,
    }


def image_name(wanted: str, image: Image) -> str:
    """The full name of an image, e.g. `docker.io/library/busybox:latest` for `busybox`."""
    tagged = wanted if ":" in wanted.rpartition("/")[2] or "@" in wanted else f"{wanted}:latest"
    return next((name for name in image.names if name == tagged or name.endswith(f"/{tagged}")), wanted)


def security(pod: Pod, container: AnyContainer, image: Image, profiles: Path) -> Security:
    """Container settings over the Pod's, the Pod's over the image's; `profiles` is the folder of seccomp profiles.
    Raises ConfigError."""
    whole, own = pod.spec.security_context, container.security_context
    user = own.run_as_user if own is not None and own.run_as_user is not None else None
    group = own.run_as_group if own is not None and own.run_as_group is not None else None
    non_root = own.run_as_non_root if own is not None else None
    groups: tuple[int, ...] = ()
    if whole is not None:
        user = whole.run_as_user if user is None else user
        group = whole.run_as_group if group is None else group
        non_root = whole.run_as_non_root if non_root is None else non_root
        groups = whole.supplemental_groups
        if whole.fs_group is not None and whole.fs_group not in groups:
            groups = (*groups, whole.fs_group)
    if non_root:
        _check_non_root(pod, container, user, image)
    capabilities = own.capabilities if own is not None else None
    privileged = bool(own is not None and own.privileged)
    escalation = own.allow_privilege_escalation if own is not None else None
    return Security(
        user=user,
        group=group,
        user_name=image.user if user is None else "",
        supplemental_groups=groups,
        strict_groups=whole is not None and whole.supplemental_groups_policy == "Strict",
        unmasked_proc=own is not None and own.proc_mount == "Unmasked",
        seccomp=_seccomp(whole, own, profiles),
        privileged=privileged,
        read_only_root=bool(own is not None and own.read_only_root_filesystem),
        no_new_privileges=escalation is False and not privileged,
        add_capabilities=capabilities.add if capabilities is not None else (),
        drop_capabilities=capabilities.drop if capabilities is not None else (),
    )


def _seccomp(whole: PodSecurityContext | None, own: SecurityContext | None, profiles: Path) -> str:
    profile = own.seccomp_profile if own is not None and own.seccomp_profile is not None else None
    if profile is None and whole is not None:
        profile = whole.seccomp_profile
    if profile is None or profile.type == "Unconfined":
        return ""
    return str(profiles / (profile.localhost_profile or "")) if profile.type == "Localhost" else "RuntimeDefault"


def _check_non_root(pod: Pod, container: AnyContainer, user: int | None, image: Image) -> None:
    which = f'(pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})", container: {container.name})'
    if user is not None:
        if user == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {which}")
        return
    of_image = image.user.partition(":")[0]
    if of_image in ("", "0"):
        raise ConfigError(f"container has runAsNonRoot and image will run as root {which}")
    if not of_image.isdigit():
        text = f"container has runAsNonRoot and image has non-numeric user ({of_image}), cannot verify user is non-root"
        raise ConfigError(f"{text} {which}")
