"""The part of an OCI image configuration that matters to a container.

An image built `FROM host` carries the label `podling.base: host` and needs the machine's own `/usr` below its layers.
"""

from __future__ import annotations

import msgspec

HOST_LABEL = "podling.base"


class Settings(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """`config` of the image configuration."""

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    exposed_ports: dict[str, dict[str, str]] | None = None
    volumes: dict[str, dict[str, str]] | None = None
    stop_signal: str = ""


class RootFs(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...] = ()
    """`sha256:…` of each layer's uncompressed tar, lowest first."""
    type: str = "layers"


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    created: str = ""
    created_by: str = ""
    empty_layer: bool = False


class ImageConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole configuration, as far as we read and write it; what else a pulled one says stays in its blob."""

    architecture: str
    os: str
    rootfs: RootFs
    config: Settings | None = None
    created: str = ""
    history: tuple[History, ...] = ()

    @property
    def settings(self) -> Settings:
        return self.config or Settings()

    @property
    def on_host(self) -> bool:
        return (self.settings.labels or {}).get(HOST_LABEL) == "host"
