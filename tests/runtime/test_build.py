"""Images are built from Containerfiles without a daemon, and what was built runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from podling.env import SystemEnv
from podling.runtime.images.build import Builder, BuildError
from podling.runtime.images.store import Entry, ImageStore
from tests.runtime.machines import Machine, NoRegistry, machine, real

pytestmark = real


def context(folder: Path, containerfile: str, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Containerfile").write_text(containerfile)
    for name, text in files.items():
        place = folder / name.replace("__", "/").replace("_dot_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


async def build(store: ImageStore, folder: Path, *, said: list[str] | None = None, **arguments: str) -> Entry:
    say = (lambda text: None) if said is None else said.append
    return await Builder(store, NoRegistry(), SystemEnv()).build(folder, ("built:1",), arguments=arguments, say=say)


async def shown(m: Machine, entry: Entry, *command: str) -> list[str]:
    container = await m.run(await m.sandbox(), *command, image=entry.id)
    await m.ended(container)
    return [line.split(" ", 2)[2] if line.count(" ") > 1 else "" for line in m.output(container)]


async def test_what_was_copied_and_run_is_in_the_image(tmp_path: Path) -> None:
    file = """
        FROM host
        ARG WHO=nobody
        ENV GREETING="hello $WHO"
        COPY app/ /srv/app/
        COPY tool /bin/
        WORKDIR /srv/made/here
        RUN echo $GREETING > said && touch /usr/share/new && rm /etc/services
        USER 1000
        ENTRYPOINT ["sh", "-c", "tool; cat said; ls /srv/app /usr/share/new /etc/services; id -u; pwd"]
    """
    folder = context(tmp_path, file, app__one="1", app__two="2", tool="#!/bin/sh\necho from the tool\n")
    (folder / "tool").chmod(0o755)
    async with machine() as m:
        entry = await build(m.store, folder, WHO="you")
        lines = await shown(m, entry)
        assert lines[:2] == ["from the tool", "hello you"]
        assert {"one", "two", "/usr/share/new", "1000", "/srv/made/here"} <= set(lines)
        assert "ls: cannot access '/etc/services': No such file or directory" in lines
    assert not Path("/usr/share/new").exists()
    assert not Path("/usr/bin/tool").exists()


async def test_an_unchanged_beginning_is_not_made_again(tmp_path: Path) -> None:
    folder = context(tmp_path / "c", "FROM scratch\nCOPY a /a\nCOPY b /b\n", a="1", b="1")
    store = ImageStore(tmp_path / "store")
    first = await build(store, folder)
    again: list[str] = []
    assert await build(store, folder, said=again) == first
    assert again.count(" ---> Using cache") == 2
    (folder / "b").write_text("2")
    changed: list[str] = []
    assert (await build(store, folder, said=changed)).id != first.id
    assert changed.count(" ---> Using cache") == 1


async def test_copied_files_keep_modes_and_belong_to_root_or_whom_one_says(tmp_path: Path) -> None:
    folder = context(tmp_path / "c", "FROM host\nCOPY a /tmp/a\nCOPY --chown=www-data --chmod=600 a /b\n", a="1")
    os.chown(folder / "a", 1234, 1234)
    (folder / "a").chmod(0o751)
    async with machine() as m:
        entry = await build(m.store, folder)
        assert await shown(m, entry, "stat", "-c", "%n %u:%g %a", "/tmp/a", "/b", "/tmp") == [
            "/tmp/a 0:0 751",
            "/b 33:33 600",
            "/tmp 0:0 1777",
        ]


async def test_ignored_files_stay_out(tmp_path: Path) -> None:
    files = {"_dot_dockerignore": "*.pyc\nsecret\n!keep.pyc\n", "a__x_dot_pyc": "", "a__y": "", "secret__k": ""}
    folder = context(tmp_path / "c", "FROM scratch\nCOPY . /\n", **files)
    (folder / "keep.pyc").write_text("")
    store = ImageStore(tmp_path / "store")
    entry = await build(store, folder)
    (top,) = store.config(entry.id).rootfs.diff_ids
    found = {str(p.relative_to(store.layer(top))) for p in store.layer(top).rglob("*") if p.is_file()}
    assert {"a/y", "keep.pyc"} <= found
    assert not {"a/x.pyc", "secret/k"} & found


async def test_a_later_stage_starts_from_an_earlier_one(tmp_path: Path) -> None:
    folder = context(tmp_path / "c", "FROM scratch AS one\nENV A=1\nFROM scratch\nFROM one\nENV B=2\n")
    store = ImageStore(tmp_path / "store")
    assert store.config((await build(store, folder)).id).settings.env == ("A=1", "B=2")


async def test_files_are_copied_from_an_earlier_stage_and_from_an_image(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    await build(
        store, context(tmp_path / "a", "FROM scratch\nCOPY d /d\nCOPY d/one /d/three\n", d__one="1", d__two="2")
    )
    file = "FROM built:1 AS first\nFROM scratch\nCOPY --from=first /d /all/\nCOPY --from=built:1 /d/two /two\n"
    entry = await build(store, context(tmp_path / "b", file))
    seen = {}
    for layer in map(store.layer, store.config(entry.id).rootfs.diff_ids):
        seen |= {str(p.relative_to(layer)): p.read_text() for p in layer.rglob("*") if p.is_file()}
    assert seen == {"all/one": "1", "all/two": "2", "all/three": "1", "two": "2"}


async def test_an_entrypoint_forgets_inherited_arguments_only(tmp_path: Path) -> None:
    store = ImageStore(tmp_path / "store")
    base = await build(store, context(tmp_path / "a", 'FROM scratch\nCMD ["old"]\nENTRYPOINT ["e"]\n'))
    assert store.config(base.id).settings.cmd == ("old",)
    child = await build(store, context(tmp_path / "b", 'FROM built:1\nENTRYPOINT ["f"]\n'))
    assert (store.config(child.id).settings.entrypoint, store.config(child.id).settings.cmd) == (("f",), None)


async def test_a_run_has_no_network_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = context(tmp_path / "c", "FROM host\nRUN ls /sys/class/net\n")
    said: list[str] = []
    before = Path("/proc/self/mounts").read_text()
    store = ImageStore(tmp_path / "store")
    await build(store, folder, said=said)
    assert said[-1] == "lo"
    assert Path("/proc/self/mounts").read_text() == before
    assert not list((store.root / "tmp").iterdir())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM scratch\nCOPY nothing /\n", 'line 2: COPY: "/nothing": not found'),
        ("FROM scratch\nCOPY ../../etc/passwd /\n", 'line 2: COPY: "/etc/passwd": not found'),
        ("FROM scratch\nCOPY out /\n", "leads out of the build context"),
        ("FROM host\nRUN exit 9\n", "line 2: RUN: The command '/bin/sh -c exit 9' returned a non-zero code: 9"),
        ("FROM host\nUSER ghost\nRUN true\n", "line 3: RUN: unable to find user ghost"),
        ("FROM nowhere:1\n", "no registry in this test"),
        ("FROM scratch\nONBUILD RUN x\n", "line 2: ONBUILD: ONBUILD is not supported"),
    ],
)
async def test_a_build_that_fails_says_why_and_tags_nothing(tmp_path: Path, text: str, message: str) -> None:
    folder = context(tmp_path / "c", text)
    (folder / "out").symlink_to("/etc/passwd")
    store = ImageStore(tmp_path / "store")
    with pytest.raises(BuildError) as failure:
        await build(store, folder)
    assert message in str(failure.value)
    assert store.list() == ()
