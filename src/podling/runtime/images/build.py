"""`podling image build`: a Containerfile to an image, without a daemon.

Every instruction turns one stage into the next: settings change in the configuration, files become a layer, and each
layer is remembered under a key made of everything that went into it, so an unchanged beginning costs nothing.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from podling.env import Env, rfc3339
from podling.runtime import users
from podling.runtime.images import containerfile, copying, names, stages
from podling.runtime.images.config import History, ImageConfig
from podling.runtime.images.containerfile import ContainerfileError, Instruction
from podling.runtime.images.copying import Context, CopyError, Owner, Staging
from podling.runtime.images.host import FORMAT, Interpreter, host_base
from podling.runtime.images.merged import Merged, Part, export
from podling.runtime.images.registry import this_architecture
from podling.runtime.images.running import BuildNode, Command, RunError
from podling.runtime.images.service import Puller
from podling.runtime.images.stages import Stage
from podling.runtime.images.store import Entry, ImageError, ImageStore
from podling.runtime.images.unpack import pack
from podling.runtime.rootfs import Layers, image_layers

FILES = ("Containerfile", "Dockerfile")
Say = Callable[[str], None]


class BuildError(Exception):
    """Where the build stopped and why; the text is for the user."""


class Builder:
    """Builds into `store`. Base images that are not there are asked of `puller`."""

    def __init__(self, store: ImageStore, puller: Puller, env: Env, interpreter: Interpreter | None = None) -> None:
        self._store, self._puller, self._env = store, puller, env
        self._interpreter = interpreter or Interpreter.running()

    async def build(
        self,
        context: Path,
        tags: tuple[str, ...],
        *,
        file: Path | None = None,
        arguments: Mapping[str, str] | None = None,
        say: Say = lambda text: None,
    ) -> Entry:
        """The image of the last stage under its `tags`. Raises BuildError; nothing is tagged then."""
        try:
            image_names = tuple(names.parse(tag).name for tag in tags)
            instructions = containerfile.parse(_read(context, file))
            with self._store.scratch() as folder:
                async with BuildNode(folder / "node", self._env, say) as node:
                    run = _Build(self._store, self._env, self._interpreter, Context(context), node, folder, say)
                    stage = await run.all(instructions, arguments or {}, self._base)
            return await self._env.in_thread(run.enter, stage, image_names)
        except names.InvalidName as error:
            raise BuildError(f"invalid tag: {error}") from None
        except (ContainerfileError, ImageError, CopyError, RunError, users.UnknownUser, OSError) as error:
            raise BuildError(str(error)) from error

    async def _base(self, name: str) -> Entry:
        return self._store.find(name) or await self._puller.pull(names.parse(name))


class _Build:
    """One build. `done` names its finished stages."""

    def __init__(
        self,
        store: ImageStore,
        env: Env,
        interpreter: Interpreter,
        context: Context,
        node: BuildNode,
        folder: Path,
        say: Say,
    ) -> None:
        self._store, self._env, self._interpreter = store, env, interpreter
        self._context, self._node, self._folder, self._say = context, node, folder, say
        self._done: dict[str, Stage] = {}
        self._count = 0

    async def all(self, steps: tuple[Instruction, ...], arguments: Mapping[str, str], base: stages.Base) -> Stage:
        stage = Stage()
        globals_: dict[str, str] = {}
        for number, step in enumerate(steps, 1):
            self._say(f"STEP {number}/{len(steps)}: {step.text}")
            try:
                if step.name == "FROM":
                    stage = await self._from(step, globals_, base)
                elif step.name == "ARG" and not stage.started:
                    globals_ |= stages.argument(step, arguments, {})
                else:
                    stage = await self._step(stage, step, arguments, globals_, base)
            except (CopyError, RunError, ContainerfileError, users.UnknownUser) as error:
                raise ContainerfileError(f"line {step.line}: {step.name}: {error}") from error
            if stage.alias:
                self._done[stage.alias] = stage
            self._done[str(stage.number)] = stage
        return stage

    async def _from(self, step: Instruction, variables: Mapping[str, str], base: stages.Base) -> Stage:
        words = containerfile.substitute(step.rest, variables).split()
        alias = words[2].lower() if len(words) == 3 and words[1].upper() == "AS" else ""
        number = self._count
        self._count += 1
        if words[0].lower() in self._done:
            return msgspec.structs.replace(self._done[words[0].lower()], alias=alias, number=number, variables={})
        if words[0] == "host":
            return stages.on_host(alias, number, FORMAT)
        if words[0] == "scratch":
            return Stage(started=True, alias=alias, number=number, key="scratch")
        entry = await base(words[0])
        return stages.on_image(entry.id, self._store.config(entry.id), alias, number)

    async def _step(
        self,
        stage: Stage,
        step: Instruction,
        arguments: Mapping[str, str],
        globals_: Mapping[str, str],
        base: stages.Base,
    ) -> Stage:
        if step.name == "ARG":
            return stage.with_variables(stages.argument(step, arguments, globals_))
        if step.name in ("COPY", "ADD"):
            other = await self._other(step, base) if "from" in step.flags else None
            return await self._env.in_thread(self._copy, stage, step, other)
        if step.name == "RUN":
            return await self._run(stage, step)
        changed = stages.set_value(stage, step)
        if step.name == "WORKDIR":
            return await self._env.in_thread(self._work_folder, changed, step)
        return changed.with_history(step.text)

    async def _other(self, step: Instruction, base: stages.Base) -> Stage:
        """What `COPY --from` names: a stage before, or an image."""
        name = step.flags["from"]
        if name.lower() in self._done:
            return self._done[name.lower()]
        entry = await base(name)
        return stages.on_image(entry.id, self._store.config(entry.id), "", -1)

    def _copy(self, stage: Stage, step: Instruction, other: Stage | None) -> Stage:
        step = step._replace(rest=containerfile.substitute(step.rest, stage.values()))
        *patterns, target = step.words()
        if not patterns:
            raise CopyError(f"{step.name} requires at least two arguments")
        if any(pattern.startswith(("http://", "https://", "git@")) for pattern in patterns):
            raise CopyError("only files of the build context can be added")
        context = self._context if other is None else self._exported(other, patterns, step.line)
        sources = [source for pattern in patterns for source in context.sources(pattern)]
        place = stage.absolute(target)
        key = stage.next_key(step.text, copying.digest(context, sources), place)
        below = self._merged(stage)
        owner = self._owner(step, below)

        def fill(folder: Path) -> None:
            Staging(folder, below).copy(context, sources, place, owner, step.name == "ADD")

        return self._layer(stage, step, key, fill)

    def _exported(self, other: Stage, patterns: Sequence[str], line: int) -> Context:
        """A folder with just what is wanted of another stage or image, under the names that were used."""
        tree, folder = self._merged(other), self._folder / f"from-{line}"
        folder.mkdir()
        for pattern in patterns:
            name = posixpath.normpath("/" + pattern).lstrip("/")
            try:
                export(tree, tree.resolve(name), folder / name)
            except FileNotFoundError:
                raise CopyError(f'"/{name}": not found') from None
        return Context(folder)

    def _work_folder(self, changed: Stage, step: Instruction) -> Stage:
        below = self._merged(changed)
        place = below.resolve(changed.settings.working_dir)
        if below.is_folder(place):
            return changed.with_history(step.text)
        key = changed.next_key(step.text, "", place)

        def fill(folder: Path) -> None:
            Staging(folder, below).make_folder(place)

        return self._layer(changed, step, key, fill)

    async def _run(self, stage: Stage, step: Instruction) -> Stage:
        listed = step.listed()
        argv = (*stage.shell, step.rest) if listed is None else listed
        key = stage.next_key(step.text, repr(sorted(stage.variables.items())), stage.settings.working_dir)
        if cached := self._cached(key):
            return stage.with_layer(cached, key, step.text)
        below = self._merged(stage)
        user = stage.settings.user
        passwd, group = below.read_text("etc/passwd"), below.read_text("etc/group")
        identity = users.resolve(user, None, None, (), passwd, group)
        command = Command(argv, self._layers(stage), stage.settings, identity, tuple(stage.variables.items()))
        written = await self._node.run(command)
        return await self._env.in_thread(self._commit, stage, step, key, written)

    def _owner(self, step: Instruction, below: Merged) -> Owner:
        mode = int(step.flags["chmod"], 8) if "chmod" in step.flags else None
        if "chown" not in step.flags:
            return Owner(mode=mode)
        identity = users.resolve(
            step.flags["chown"], None, None, (), below.read_text("etc/passwd"), below.read_text("etc/group")
        )
        return Owner(identity.uid, identity.gid, mode)

    # -- layers -------------------------------------------------------------------------------------------------

    def _layer(self, stage: Stage, step: Instruction, key: str, fill: Callable[[Path], None]) -> Stage:
        if cached := self._cached(key):
            return stage.with_layer(cached, key, step.text)
        folder = self._folder / f"layer-{key[:16]}"
        fill(folder)
        return self._commit(stage, step, key, folder)

    def _commit(self, stage: Stage, step: Instruction, key: str, folder: Path) -> Stage:
        archive = self._folder / f"{key[:16]}.tar"
        with open(archive, "w+b") as file:
            pack(folder, file)
            file.seek(0)
            diff_id = self._store.put_layer(file)
        archive.unlink()
        self._remember(key, diff_id)
        return stage.with_layer(diff_id, key, step.text)

    def _cached(self, key: str) -> str:
        try:
            diff_id = (self._store.root / "cache" / key).read_text(encoding="ascii")
        except FileNotFoundError:
            return ""
        if not diff_id.startswith("sha256:") or not self._store.layer(diff_id).is_dir():
            return ""
        self._say(" ---> Using cache")
        return diff_id

    def _remember(self, key: str, value: str) -> None:
        folder = self._store.root / "cache"
        folder.mkdir(mode=0o755, exist_ok=True)
        new = folder / f"{key}.{os.getpid()}"
        new.write_text(value, encoding="ascii")
        os.rename(new, folder / key)

    def _layers(self, stage: Stage) -> Layers:
        return image_layers(self._store, stage.diff_ids, stage.on_host, self._interpreter)

    def _merged(self, stage: Stage) -> Merged:
        own = [Part("", self._store.layer(digest)) for digest in reversed(stage.diff_ids)]
        if not stage.on_host:
            return Merged(own)
        base = host_base(self._store.root / "host", self._interpreter)
        return Merged([*own, *(Part("usr", folder) for folder in base.usr), Part("", base.lower)])

    def enter(self, stage: Stage, image_names: tuple[str, ...]) -> Entry:
        """The finished image. The same build made again is the same image, with the time of the first."""
        config = stage.config(this_architecture())
        key = "image-" + hashlib.sha256(msgspec.json.encode(config)).hexdigest()
        place = self._store.root / "cache" / key
        if not place.exists():
            self._remember(key, rfc3339(self._env.now()))
        created = place.read_text(encoding="ascii")
        history = tuple(
            History(created, entry.created_by, entry.empty_layer) if not entry.created else entry
            for entry in config.history
        )
        whole: ImageConfig = msgspec.structs.replace(config, created=created, history=history)
        return self._store.add(msgspec.json.encode(whole), image_names, local=True)


def _read(context: Path, file: Path | None) -> str:
    if not context.is_dir():
        raise ContainerfileError(f"{context} is not a folder")
    places = (file,) if file is not None else tuple(context / name for name in FILES)
    for place in places:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise ContainerfileError(f"no {' or '.join(FILES)} in {context}" if file is None else f"no file {file}")
