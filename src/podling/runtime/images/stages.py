"""A stage of a build: what the image is after each instruction. Pure: values in, a new stage out."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from podling.runtime.images.config import HOST_LABEL, History, ImageConfig, RootFs, Settings
from podling.runtime.images.containerfile import ContainerfileError, Instruction, substitute
from podling.runtime.images.store import Entry

Base = Callable[[str], Awaitable[Entry]]
"""Finds an image by name, or pulls it. Raises ImageError."""


class Stage(msgspec.Struct, frozen=True):
    """`key` identifies everything that led here; `variables` are the ARGs in force."""

    settings: Settings = Settings()
    diff_ids: tuple[str, ...] = ()
    history: tuple[History, ...] = ()
    key: str = ""
    variables: dict[str, str] = {}
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    alias: str = ""
    number: int = 0
    started: bool = False
    own_command: bool = False
    """CMD came in this stage, so an ENTRYPOINT after it leaves it."""

    @property
    def on_host(self) -> bool:
        return (self.settings.labels or {}).get(HOST_LABEL) == "host"

    def values(self) -> dict[str, str]:
        """What `$name` means now: ENV wins over ARG."""
        environment = dict(setting.partition("=")[::2] for setting in self.settings.env)
        return self.variables | environment

    def absolute(self, target: str) -> str:
        """A path of the image; a slash at the end stays."""
        place = posixpath.join("/", self.settings.working_dir, target)
        end = "/" if target.endswith(("/", "/.")) or target == "." else ""
        return posixpath.normpath(place).rstrip("/") + end or "/"

    def next_key(self, *made_of: str) -> str:
        return hashlib.sha256("\0".join((self.key, *made_of)).encode()).hexdigest()

    def with_variables(self, more: Mapping[str, str]) -> Stage:
        return msgspec.structs.replace(self, variables=self.variables | dict(more))

    def with_settings(self, settings: Settings, text: str) -> Stage:
        return msgspec.structs.replace(self, settings=settings, key=self.next_key(text))

    def with_layer(self, diff_id: str, key: str, text: str) -> Stage:
        history = (*self.history, History(created_by=text))
        return msgspec.structs.replace(self, diff_ids=(*self.diff_ids, diff_id), key=key, history=history)

    def with_history(self, text: str) -> Stage:
        return msgspec.structs.replace(self, history=(*self.history, History(created_by=text, empty_layer=True)))

    def config(self, architecture: str) -> ImageConfig:
        return ImageConfig(architecture, "linux", RootFs(self.diff_ids), self.settings, "", self.history)


def on_host(alias: str, number: int, generation: str) -> Stage:
    settings = Settings(labels={HOST_LABEL: "host"})
    return Stage(settings, key=f"host-{generation}", alias=alias, number=number, started=True)


def on_image(image: str, config: ImageConfig, alias: str, number: int) -> Stage:
    return Stage(
        config.settings, config.rootfs.diff_ids, config.history, image, alias=alias, number=number, started=True
    )


def argument(step: Instruction, given: Mapping[str, str], outer: Mapping[str, str]) -> dict[str, str]:
    """ARG: the caller's value, else an outer one of the same name, else the default; nothing where there is none."""
    name, equals, default = step.rest.partition("=")
    name = name.strip()
    if name in given:
        return {name: given[name]}
    if equals:
        return {name: default.strip().strip("\"'")}
    return {name: outer[name]} if name in outer else {}


def set_value(stage: Stage, step: Instruction) -> Stage:
    """An instruction that changes settings only. Raises ContainerfileError for one that is not supported."""
    change = _SETTERS.get(step.name)
    if change is None:
        if step.name in ("MAINTAINER", "HEALTHCHECK"):
            return stage  # Kubernetes knows neither: its probes are in the Pod
        raise ContainerfileError(f"{step.name} is not supported")
    if step.name == "SHELL":
        return msgspec.structs.replace(stage, shell=step.words())
    if step.name not in ("CMD", "ENTRYPOINT"):
        step = step._replace(rest=substitute(step.rest, stage.values()))
    changed = stage.with_settings(change(stage, step), step.text)
    return msgspec.structs.replace(changed, own_command=changed.own_command or step.name == "CMD")


def _env(stage: Stage, step: Instruction) -> Settings:
    values = dict(setting.partition("=")[::2] for setting in stage.settings.env) | dict(step.pairs())
    return msgspec.structs.replace(stage.settings, env=tuple(f"{key}={value}" for key, value in values.items()))


def _label(stage: Stage, step: Instruction) -> Settings:
    return msgspec.structs.replace(stage.settings, labels=(stage.settings.labels or {}) | dict(step.pairs()))


def _workdir(stage: Stage, step: Instruction) -> Settings:
    return msgspec.structs.replace(stage.settings, working_dir=stage.absolute(step.rest.rstrip("/") or "/"))


def _user(stage: Stage, step: Instruction) -> Settings:
    return msgspec.structs.replace(stage.settings, user=step.rest)


def _expose(stage: Stage, step: Instruction) -> Settings:
    ports: dict[str, dict[str, str]] = {port if "/" in port else f"{port}/tcp": {} for port in step.words()}
    return msgspec.structs.replace(stage.settings, exposed_ports=(stage.settings.exposed_ports or {}) | ports)


def _volume(stage: Stage, step: Instruction) -> Settings:
    volumes: dict[str, dict[str, str]] = {path: {} for path in step.words()}
    return msgspec.structs.replace(stage.settings, volumes=(stage.settings.volumes or {}) | volumes)


def _stop_signal(stage: Stage, step: Instruction) -> Settings:
    return msgspec.structs.replace(stage.settings, stop_signal=step.rest)


def _command(stage: Stage, step: Instruction) -> tuple[str, ...]:
    listed = step.listed()
    return (*stage.shell, step.rest) if listed is None else listed


def _cmd(stage: Stage, step: Instruction) -> Settings:
    return msgspec.structs.replace(stage.settings, cmd=_command(stage, step))


def _entrypoint(stage: Stage, step: Instruction) -> Settings:
    """A new entrypoint forgets the base image's arguments, as everywhere."""
    command = stage.settings.cmd if stage.own_command else None
    return msgspec.structs.replace(stage.settings, entrypoint=_command(stage, step), cmd=command)


def _shell(stage: Stage, step: Instruction) -> Settings:
    return stage.settings


_SETTERS: Mapping[str, Callable[[Stage, Instruction], Settings]] = {
    "ENV": _env,
    "LABEL": _label,
    "WORKDIR": _workdir,
    "USER": _user,
    "EXPOSE": _expose,
    "VOLUME": _volume,
    "STOPSIGNAL": _stop_signal,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "SHELL": _shell,
}
