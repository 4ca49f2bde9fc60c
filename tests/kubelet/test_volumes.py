"""Volumes as files: what they show, how they change, what is refused."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from podling.api.kinds.core.configmap import ConfigMap
from podling.api.kinds.core.container import Container
from podling.api.kinds.core.secret import Secret
from podling.api.kinds.core.volume import Volume
from podling.kubelet import downward
from podling.kubelet.downward import NodeFacts
from podling.kubelet.environment import ConfigError, Sources
from podling.kubelet.mounts import mounts_of, protected
from podling.kubelet.volumes import atomic, folder
from podling.kubelet.volumes.atomic import File
from podling.kubelet.volumes.registry import type_of, types
from podling.kubelet.volumes.types import MountContext, Mounted, MountFailure, Token
from podling.runtime.interface import Mount
from tests.kubelet.pods import NOW, pod

SOURCES = Sources(
    {"settings": ConfigMap(data={"a": "1", "b": "2"}, binary_data={"c": base64.b64encode(b"\xff").decode()})},
    {"hidden": Secret(data={"key": base64.b64encode(b"secret").decode()})},
)


async def token(audience: str, seconds: int) -> Token:
    return Token(f"token for {audience or 'the API'}", NOW, NOW + seconds)


async def mount(tmp_path: Path, source: dict[str, Any], **spec: Any) -> Mounted:
    volume = msgspec.convert({"name": "v", **source}, Volume)
    context = MountContext(
        pod=pod(spec, labels={"app": "web", "tier": 'a"b'}),
        folder=tmp_path / "v",
        pod_ip="10.244.0.5",
        sources=SOURCES,
        node=NodeFacts("n1", "172.31.0.2", {"cpu": "2"}),
        token=token,
    )
    return await type_of(volume).mount(volume, context)


async def contents(tmp_path: Path, source: dict[str, Any], **spec: Any) -> dict[str, bytes]:
    mounted = await mount(tmp_path, source, **spec)
    assert mounted.payload is not None
    return {path: file.content for path, file in mounted.payload.items()}


def test_every_type_is_found_by_the_scan() -> None:
    assert set(types()) == {"config_map", "downward_api", "empty_dir", "host_path", "image", "projected", "secret"}


async def test_a_config_map_shows_all_keys_or_the_chosen_ones(tmp_path: Path) -> None:
    assert await contents(tmp_path, {"configMap": {"name": "settings"}}) == {"a": b"1", "b": b"2", "c": b"\xff"}
    items = [{"key": "a", "path": "deep/er", "mode": 0o400}]
    mounted = await mount(tmp_path, {"configMap": {"name": "settings", "items": items, "defaultMode": 0o600}})
    assert mounted.payload == {"deep/er": File(b"1", 0o400)}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ({"configMap": {"name": "gone"}}, 'configmap "gone" not found'),
        ({"secret": {"secretName": "gone"}}, 'secret "gone" not found'),
        ({"configMap": {"name": "settings", "items": [{"key": "z", "path": "z"}]}},
         "configmap references non-existent config key: z"),
        ({"secret": {"secretName": "hidden", "items": [{"key": "z", "path": "z"}]}},
         "references non-existent secret key: z"),
        ({"emptyDir": {"medium": "HugePages"}}, 'unknown storage medium "HugePages"'),
        ({"nfs": {"server": "x", "path": "/"}}, "volumes of type nfs are not supported by this node"),
        ({"hostPath": {"path": "/nowhere/at/all", "type": "Directory"}},
         "hostPath type check failed: /nowhere/at/all is not a directory"),
    ],
)  # fmt: skip
async def test_what_cannot_be_mounted_says_why(tmp_path: Path, source: dict[str, Any], error: str) -> None:
    with pytest.raises(MountFailure) as raised:
        await mount(tmp_path, source)
    assert str(raised.value) == error


async def test_an_optional_config_map_that_is_missing_is_an_empty_folder(tmp_path: Path) -> None:
    assert await contents(tmp_path, {"configMap": {"name": "gone", "optional": True}}) == {}


async def test_the_downward_api_writes_labels_as_upstream_does(tmp_path: Path) -> None:
    items = [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
             {"path": "cpu", "resourceFieldRef": {"containerName": "main", "resource": "limits.cpu"}}]  # fmt: skip
    got = await contents(tmp_path, {"downwardAPI": {"items": items}})
    assert got == {"labels": b'app="web"\ntier="a\\"b"', "cpu": b"2"}


async def test_projected_sources_share_a_folder_and_the_token_is_renewed_in_time(tmp_path: Path) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "settings", "items": [{"key": "a", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    mounted = await mount(tmp_path, {"projected": {"sources": sources, "defaultMode": 0o644}})
    assert mounted.payload == {
        "token": File(b"token for the API", 0o644),
        "ca.crt": File(b"1", 0o644),
        "namespace": File(b"default", 0o644),
    }
    assert mounted.refresh_at == NOW + 2880


async def test_a_token_is_for_the_only_user_of_the_pod(tmp_path: Path) -> None:
    source = {"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    mounted = await mount(tmp_path, source, securityContext={"runAsUser": 1000})
    assert mounted.payload == {"token": File(b"token for the API", 0o600, 1000)}


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("plain and ü", "plain and ü"),
        ('"\\', r"\"\\"),
        ("\a\b\f\n\r\t\v", r"\a\b\f\n\r\t\v"),
        ("\x01\x7f", r"\x01\x7f"),
        ("\u00a0\u2028\U000e0001", r"\u00a0\u2028\U000e0001"),
    ],
)
def test_values_of_annotations_are_quoted_as_go_does(value: str, quoted: str) -> None:
    made = pod(annotations={"b": value, "a": "1"})
    node = NodeFacts("n1", "172.31.0.2", {})
    assert downward.field(made, "metadata.annotations", "", node) == f'a="1"\nb="{quoted}"'


@pytest.mark.parametrize(
    ("source", "in_memory"),
    [
        ({"secret": {"secretName": "hidden"}}, True),
        ({"projected": {"sources": [{"configMap": {"name": "settings"}}]}}, True),
        ({"downwardAPI": {"items": []}}, True),
        ({"configMap": {"name": "settings"}}, False),
    ],
)
async def test_only_config_maps_are_written_to_a_disk(tmp_path: Path, source: dict[str, Any], in_memory: bool) -> None:
    assert (await mount(tmp_path, source)).in_memory is in_memory


async def test_an_empty_dir_is_open_to_all_users_and_kept_when_mounted_again(tmp_path: Path) -> None:
    mounted = await mount(tmp_path, {"emptyDir": {}})
    assert mounted.path.stat().st_mode & 0o7777 == 0o777
    (mounted.path / "kept").write_text("x")
    assert (await mount(tmp_path, {"emptyDir": {}})).path == mounted.path
    assert (mounted.path / "kept").exists()


async def test_host_paths_are_made_where_the_type_says_so(tmp_path: Path) -> None:
    made, file = tmp_path / "made/here", tmp_path / "file"
    await mount(tmp_path, {"hostPath": {"path": str(made), "type": "DirectoryOrCreate"}})
    await mount(tmp_path, {"hostPath": {"path": str(file), "type": "FileOrCreate"}})
    assert made.is_dir()
    assert file.is_file()


def files_in(place: Path) -> dict[str, str]:
    return {name: (place / name).read_text() for name in os.listdir(place) if not name.startswith("..")}


def test_files_change_all_at_once_and_only_when_they_differ(tmp_path: Path) -> None:
    one = {"a": File(b"1"), "deep/b": File(b"2")}
    assert atomic.write(tmp_path, one, "t1")
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "deep/b").read_text() == "2"
    assert not atomic.write(tmp_path, one, "t2")
    assert os.readlink(tmp_path / "..data") == "..t1"
    assert atomic.write(tmp_path, {"a": File(b"3"), "c": File(b"4", 0o400)}, "t3")
    assert files_in(tmp_path) == {"a": "3", "c": "4"}
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o400
    assert sorted(os.listdir(tmp_path)) == ["..data", "..t3", "a", "c"]


def test_folders_inside_are_open_whatever_our_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        atomic.write(tmp_path, {"deep/er/b": File(b"2")}, "t1")
    finally:
        os.umask(before)
    modes = {name: (tmp_path / name).stat().st_mode & 0o7777 for name in ("..data", "deep", "deep/er", "deep/er/b")}
    assert modes == {"..data": 0o755, "deep": 0o755, "deep/er": 0o755, "deep/er/b": 0o644}


def test_a_group_may_read_files_and_enter_folders_that_are_hers(tmp_path: Path) -> None:
    folder.make(tmp_path / "v", group=os.getgid())
    atomic.write(tmp_path / "v", {"deep/b": File(b"2", 0o400)}, "t1", os.getgid())
    modes = {name: (tmp_path / "v" / name).stat().st_mode & 0o7777 for name in (".", "..data", "deep", "deep/b")}
    assert modes == {".": 0o2777, "..data": 0o2755, "deep": 0o2755, "deep/b": 0o440}


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "..half").mkdir(parents=True)
    (tmp_path / "..half/a").write_text("half")
    atomic.write(tmp_path, {"a": File(b"1")}, "t1")
    assert sorted(os.listdir(tmp_path)) == ["..data", "..t1", "a"]


def test_an_empty_payload_is_an_empty_folder(tmp_path: Path) -> None:
    atomic.write(tmp_path, {}, "t1")
    assert files_in(tmp_path) == {}


def mounts(tmp_path: Path, *wanted: dict[str, Any]) -> tuple[Mount, ...]:
    container = msgspec.convert({"name": "main", "volumeMounts": list(wanted)}, Container)
    (tmp_path / "vol").mkdir(exist_ok=True)
    return mounts_of(container, {"v": tmp_path / "vol"}, {"NAME": "x"}, tmp_path, tmp_path / "last")


def test_a_container_sees_its_volumes_and_the_pods_files(tmp_path: Path) -> None:
    got = mounts(tmp_path, {"name": "v", "mountPath": "/data", "readOnly": True})
    assert got[0] == Mount(str(tmp_path / "vol"), "/data", True)
    assert [mount.target for mount in got[1:]] == ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]


def test_a_container_cannot_write_to_what_shows_the_api(tmp_path: Path) -> None:
    sources: dict[str, dict[str, Any]] = {
        "c": {"configMap": {"name": "x"}},
        "s": {"secret": {"secretName": "x"}},
        "d": {"downwardAPI": {}},
        "p": {"projected": {}},
        "e": {"emptyDir": {}},
        "h": {"hostPath": {"path": "/"}},
        "r": {"persistentVolumeClaim": {"claimName": "x", "readOnly": True}},
        "w": {"persistentVolumeClaim": {"claimName": "x"}},
    }
    assert protected(pod({"volumes": [{"name": name, **source} for name, source in sources.items()]})) == set("csdpr")
    container = msgspec.convert({"name": "main", "volumeMounts": [{"name": "c", "mountPath": "/c"}]}, Container)
    [first, *_] = mounts_of(container, {"c": tmp_path}, {}, tmp_path, tmp_path / "last", {"c"})
    assert first.read_only


def test_a_containers_own_mount_wins_over_the_pods_file(tmp_path: Path) -> None:
    got = mounts(tmp_path, {"name": "v", "mountPath": "/etc/hosts", "subPath": "hosts"})
    assert [mount.target for mount in got] == ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]


def test_a_sub_path_is_made_and_may_be_an_expression(tmp_path: Path) -> None:
    [first, *_] = mounts(tmp_path, {"name": "v", "mountPath": "/data", "subPathExpr": "logs/$(NAME)"})
    assert first.source == str(tmp_path / "vol/logs/x")
    assert Path(first.source).is_dir()


@pytest.mark.parametrize("wanted", [{"subPath": "../out"}, {"subPath": "/etc"}, {"subPath": "link"},
                                    {"subPathExpr": "$(NONE)"}])  # fmt: skip
def test_a_sub_path_never_leaves_its_volume(tmp_path: Path, wanted: dict[str, str]) -> None:
    (tmp_path / "vol").mkdir()
    (tmp_path / "vol/link").symlink_to("/etc")
    with pytest.raises(ConfigError):
        mounts(tmp_path, {"name": "v", "mountPath": "/data", **wanted})
