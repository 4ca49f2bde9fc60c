"""Starting one container: image, configuration, create, start, postStart; with upstream's events on the way."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal, cast

import msgspec

from podling.api.kinds.core.container import ResourceRequirements
from podling.api.kinds.core.pod import Pod
from podling.kubelet import envfile, podstate, termination
from podling.kubelet.containerconfig import container_config
from podling.kubelet.environment import ConfigError, Sources, environment, files, references
from podling.kubelet.hooks import run_hook
from podling.kubelet.mounts import mounts_of, protected
from podling.kubelet.podsync import Start, grace_of
from podling.kubelet.podvolumes import parts_of
from podling.kubelet.probes.types import Target
from podling.kubelet.pullsecrets import logins
from podling.kubelet.qos import resources_of
from podling.kubelet.surroundings import Surroundings, pod_reference
from podling.runtime.interface import Image, RuntimeFailure, Sandbox

LONGEST_HOOK = 86_400.0
Policy = Literal["Always", "IfNotPresent", "Never"]


class StartFailure(Exception):
    """There is no container; `reason` and `message` are what its status shows as waiting, `image` what is not there."""

    def __init__(self, reason: str, message: str, image: str = "") -> None:
        super().__init__(message)
        self.reason, self.message, self.image = reason, message, image


class ContainerStart:
    """Everything needed to start one container once."""

    def __init__(
        self,
        around: Surroundings,
        pod: Pod,
        step: Start,
        sandbox: Sandbox,
        volumes: Mapping[str, Path],
        allotted: Mapping[str, ResourceRequirements],
    ) -> None:
        """`allotted`: what the node gives each container; the spec's own where it is absent."""
        declared = podstate.declared(pod, step.name)
        assert declared is not None
        given = allotted.get(step.name, declared.resources)
        self.container = msgspec.structs.replace(declared, resources=given)
        self.id = around.env.token(32).hex()
        self._around, self._pod, self._step, self._sandbox, self._volumes = around, pod, step, sandbox, volumes
        where = pod_reference(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid, field_path(pod, step.name))
        self._tell = partial(around.recorder.event, where)

    async def run(self) -> bool:
        """Whether it started; what did not is kept by the runtime as a run that ended. Raises StartFailure."""
        images = await self._volume_images()
        image = await self._image(self.container.image, self.container.image_pull_policy)
        await self._create(image, images)
        self._tell("Normal", "Created", "Container created")
        try:
            async with self._around.calls:
                await self._around.runtime.start_container(self.id)
        except RuntimeFailure as error:
            self._tell("Warning", "Failed", f"Error: {error.message}")
            return False
        self._tell("Normal", "Started", "Container started")
        return True

    async def post_start(self) -> None:
        """Run the hook; a container whose hook fails is ended."""
        lifecycle = self.container.lifecycle
        if lifecycle is None or lifecycle.post_start is None:
            return
        target = Target(self.container, self.id, self._sandbox.ip, self._around.runtime)
        failed = await run_hook(lifecycle.post_start, target, self._around.env, LONGEST_HOOK)
        if failed:
            self._tell("Warning", "FailedPostStartHook", f"PostStartHook failed: {failed}")
            self._tell("Normal", "Killing", "FailedPostStartHook")
            await self._around.runtime.stop_container(self.id, grace_of(self._pod))

    async def _volume_images(self) -> frozenset[str]:
        """Mount what the container wants of volumes that are images; their names. Raises StartFailure."""
        wanted = {mount.name for mount in self.container.volume_mounts}
        chosen = [volume for volume in self._pod.spec.volumes if volume.image is not None and volume.name in wanted]
        for volume in chosen:
            assert volume.image is not None
            image = await self._image(volume.image.reference, volume.image.pull_policy)
            target, user = self._volumes[volume.name], f"volume-{self._pod.metadata.uid}-{volume.name}"
            try:
                await self._around.runtime.mount_image(image.id, str(target), user)
            except RuntimeFailure as error:
                self._tell("Warning", "Failed", f"Error: {error}")
                raise StartFailure(error.reason, error.message) from error
        return frozenset(volume.name for volume in chosen)

    async def _image(self, name: str, wanted: str) -> Image:
        runtime, policy = self._around.runtime, cast(Policy, wanted or "IfNotPresent")
        present = _satisfies(await runtime.images(), name, policy)
        if not present and policy != "Never":
            self._tell("Normal", "Pulling", f'Pulling image "{name}"')
        began = self._around.env.monotonic()
        try:
            if present:
                image = await runtime.ensure_image(name, policy)
            else:
                found = await self._logins(name)
                async with self._around.pulls:
                    image = await runtime.ensure_image(name, policy, found)
        except RuntimeFailure as error:
            raise self._pull_failure(name, error) from error
        if present:
            words = f'Container image "{name}" already present on machine and can be accessed by the pod'
        else:
            took = _milliseconds(self._around.env.monotonic() - began)
            words = f'Successfully pulled image "{name}" in {took} ({took} including waiting).'
            words += f" Image size: {image.size} bytes."
        self._tell("Normal", "Pulled", words)
        return image

    async def _logins(self, image: str) -> tuple[str, ...]:
        """What the Pod's pull secrets hold for the image."""
        names = [reference.name for reference in self._pod.spec.image_pull_secrets]
        meta = self._pod.metadata
        _, found = await self._around.references.use(meta.uid, meta.namespace, (), names, _ignore)
        if missing := [name for name in names if found[name] is None]:
            text = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); "
            text += "attempting to pull the image may not succeed."
            self._tell("Warning", "FailedToRetrieveImagePullSecret", text)
        return logins((secret for secret in found.values() if secret is not None), image)

    def _pull_failure(self, name: str, error: RuntimeFailure) -> StartFailure:
        reason, message = error.reason, error.message
        if reason == "ErrImageNeverPull":
            message = f'Container image "{name}" is not present with pull policy of Never'
            self._tell("Warning", "ErrImageNeverPull", message)
        elif reason == "InvalidImageName":
            message = f'Failed to apply default image tag "{name}": {error.message}'
            self._tell("Warning", "InspectFailed", message)
        else:
            self._tell("Warning", "Failed", f'Failed to pull image "{name}": {message}')
        self._tell("Warning", "Failed", f"Error: {reason}")
        return StartFailure(reason, message, name)

    async def _create(self, image: Image, images: frozenset[str]) -> None:
        config, pod, name = self._around.config, self._pod, self._step.name
        folder = config.pod_folder(pod.metadata.uid)
        last_words = termination_file(folder, name, self._step.number)
        log = log_file(self._around, pod, name, self._step.number)
        try:
            variables = environment(pod, self.container, self._sandbox.ip, await self._sources(), self._around.node)
            parts = parts_of(config, pod.metadata.uid)
            mounts = mounts_of(
                self.container, self._volumes, dict(variables), folder, last_words, protected(pod), images, parts
            )
            resources = resources_of(pod, self.container, self._around.memory)
            made = container_config(
                pod,
                self.container,
                self._step,
                self.id,
                image,
                variables,
                mounts,
                resources,
                str(log),
                config.state / "seccomp",
            )
        except ConfigError as error:
            self._tell("Warning", "Failed", f"Error: {error}")
            raise StartFailure("CreateContainerConfigError", str(error)) from error
        try:
            termination.prepare(last_words)
            log.parent.mkdir(parents=True, exist_ok=True)
            async with self._around.calls:
                await self._around.runtime.create_container(self._sandbox.id, made)
        except (RuntimeFailure, OSError) as error:
            self._tell("Warning", "Failed", f"Error: {error}")
            raise StartFailure("CreateContainerError", str(error)) from error

    async def _sources(self) -> Sources:
        namespace = self._pod.metadata.namespace
        config_maps, secrets = references(self._pod)
        found = await self._around.references.use(self._pod.metadata.uid, namespace, config_maps, secrets, _ignore)
        services = [*self._around.services.list(namespace)]
        if namespace != "default" and (kubernetes := self._around.services.get("default", "kubernetes")):
            services.append(kubernetes)
        return Sources(
            *found, services=tuple(service.view for service in services), files=await self._files_of_variables()
        )

    async def _files_of_variables(self) -> dict[tuple[str, str], str | None]:
        found: dict[tuple[str, str], str | None] = {}
        for volume, path in files(self.container):
            if (root := self._volumes.get(volume)) is None:
                raise ConfigError(f'cannot find the volume "{volume}" referenced by FileKeyRef')
            try:
                found[volume, path] = await self._around.env.in_thread(envfile.read, root, path)
            except (ValueError, OSError) as error:
                raise ConfigError(f"couldn't parse env file: {error}") from error
        return found


def _ignore() -> None:
    """The worker's own callback was registered first and stays."""


def _satisfies(images: tuple[Image, ...], name: str, policy: Policy) -> bool:
    """Whether no registry has to be asked: it is here, and either not to be refreshed or made here."""
    tagged = name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"
    for image in images:
        if name in (image.id, *image.digests) or any(n == tagged or n.endswith(f"/{tagged}") for n in image.names):
            return policy != "Always" or not image.digests
    return False


def _milliseconds(seconds: float) -> str:
    return f"{seconds:.3f}s" if seconds >= 1 else f"{round(seconds * 1000)}ms"


def termination_file(folder: Path, name: str, number: int) -> Path:
    return folder / f"{name}-{number}.message"


def log_file(around: Surroundings, pod: Pod, name: str, number: int) -> Path:
    meta = pod.metadata
    return around.config.log_folder(meta.namespace, meta.name, meta.uid) / name / f"{number}.log"


def field_path(pod: Pod, name: str) -> str:
    """Where a container is declared, as events say it: `spec.containers{web}`."""
    for part, containers in (
        ("initContainers", pod.spec.init_containers),
        ("ephemeralContainers", pod.spec.ephemeral_containers),
    ):
        if any(container.name == name for container in containers):
            return f"spec.{part}{{{name}}}"
    return f"spec.containers{{{name}}}"
