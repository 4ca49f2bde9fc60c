"""What an OCI runtime is told follows from image, Pod and machine alone."""

from __future__ import annotations

from typing import Any

import pytest

from podling.runtime.capabilities import ALL, DEFAULT, from_mask, granted
from podling.runtime.complaints import start_failure
from podling.runtime.images.config import Settings
from podling.runtime.interface import ContainerConfig, Mount, Resources, SandboxConfig, Security
from podling.runtime.spec import Host, Image, command, oci_spec, refused
from podling.runtime.users import Identity, UnknownUser, resolve

HOST = Host(frozenset(ALL), frozenset({"cpu", "memory", "pids", "devices"}), -1000, False)
BARE = Host(frozenset(DEFAULT), frozenset(), 0, False)
SANDBOX = SandboxConfig("s", "u", "default", "web", "web-0")
PATHS = {"net": "/ns/net", "ipc": "/ns/ipc", "uts": "/ns/uts", "shm": "/ns/shm"}
IMAGE = Image(Settings(env=("A=image", "B=image"), entrypoint=("/entry",), cmd=("arg",), working_dir="/work"))


def spec(host: Host = HOST, sandbox: SandboxConfig = SANDBOX, **config: Any) -> dict[str, Any]:
    container = ContainerConfig("c", "main", "sha256:x", **config)
    return oci_spec(container, sandbox, IMAGE, Identity(5, 6, (6, 7), "/home/x"), PATHS, "/podling/x", host)


@pytest.mark.parametrize(
    ("given", "run"),
    [
        ({}, ("/entry", "arg")),
        ({"args": ("mine",)}, ("/entry", "mine")),
        ({"command": ("/mine",)}, ("/mine",)),
        ({"command": ("/mine",), "args": ("a", "b")}, ("/mine", "a", "b")),
    ],
)
def test_command_and_args_replace_the_images_own_as_the_documentation_says(given: Any, run: tuple[str, ...]) -> None:
    assert command(ContainerConfig("c", "c", "i", **given), IMAGE.settings) == run


def test_the_pods_environment_wins_over_the_images() -> None:
    env = spec(env=(("B", "pod"), ("HOME", "/pod")))["process"]["env"]
    assert {"A=image", "B=pod", "HOME=/pod", "HOSTNAME=web-0"} <= set(env)
    assert not {"B=image", "HOME=/home/x"} & set(env)


def test_a_pods_working_folder_wins_and_the_root_is_the_last_resort() -> None:
    assert spec()["process"]["cwd"] == "/work"
    assert spec(working_dir="/pod")["process"]["cwd"] == "/pod"


def test_namespaces_are_joined_by_path_and_a_host_pid_has_none_of_its_own() -> None:
    found = {n["type"]: n.get("path") for n in spec()["linux"]["namespaces"]}
    assert found == {"mount": None, "pid": None, "network": "/ns/net", "ipc": "/ns/ipc", "uts": "/ns/uts"}
    shared = SandboxConfig("s", "u", "default", "web", "web-0", host_pid=True)
    assert "pid" not in [n["type"] for n in spec(sandbox=shared)["linux"]["namespaces"]]


def test_limits_become_cgroup_settings_where_there_are_controllers() -> None:
    limits = Resources(64 << 20, 512, 20_000, 100_000, 100)
    resources = spec(resources=limits)["linux"]["resources"]
    assert resources["memory"] == {"limit": 64 << 20}
    assert resources["cpu"] == {"shares": 512, "quota": 20_000, "period": 100_000}
    assert resources["pids"] == {"limit": 100}
    assert spec(BARE, resources=limits)["linux"]["resources"] == {}
    assert len(refused(limits, BARE)) == 3
    assert refused(limits, HOST) == ()


def test_a_negative_oom_score_that_would_be_refused_is_left_out_and_said() -> None:
    limits = Resources(oom_score_adj=-997)
    assert spec(resources=limits)["process"]["oomScoreAdj"] == -997
    assert "oomScoreAdj" not in spec(BARE, resources=limits)["process"]
    assert "oom_score_adj" in refused(limits, BARE)[0]


def test_a_pods_mount_replaces_a_default_one_and_inner_mounts_come_last() -> None:
    mounts = spec(mounts=(Mount("/b", "/data/in/side"), Mount("/a", "/data", True), Mount("/s", "/dev/shm")))["mounts"]
    places = [m["destination"] for m in mounts]
    assert places.index("/data") < places.index("/data/in/side")
    assert [m["source"] for m in mounts if m["destination"] == "/dev/shm"] == ["/s"]
    assert next(m for m in mounts if m["destination"] == "/data")["options"] == ["rbind", "rprivate", "ro"]


def test_a_privileged_container_sees_everything() -> None:
    linux = spec(security=Security(privileged=True))["linux"]
    assert "maskedPaths" not in linux
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]


@pytest.mark.parametrize(
    ("add", "drop", "has", "lacks"),
    [
        ((), (), {"CAP_CHOWN", "CAP_KILL"}, {"CAP_SYS_ADMIN"}),
        (("SYS_ADMIN",), (), {"CAP_SYS_ADMIN", "CAP_CHOWN"}, set()),
        ((), ("ALL",), set(), {"CAP_CHOWN"}),
        (("NET_BIND_SERVICE",), ("ALL",), {"CAP_NET_BIND_SERVICE"}, {"CAP_CHOWN"}),
        (("ALL",), ("CAP_KILL",), {"CAP_SYS_ADMIN"}, {"CAP_KILL"}),
        ((), ("chown",), {"CAP_KILL"}, {"CAP_CHOWN"}),
    ],
)
def test_capabilities_are_added_and_dropped(add: Any, drop: Any, has: set[str], lacks: set[str]) -> None:
    names = set(granted(add, drop, False, frozenset(ALL)))
    assert has <= names
    assert not lacks & names


def test_a_capability_that_this_machine_lacks_is_not_asked_for() -> None:
    available = from_mask(0x1FFFFFFFFFF & ~(1 << 24))
    assert "CAP_SYS_RESOURCE" not in granted((), (), True, available)
    assert "CAP_SYS_ADMIN" in granted((), (), True, available)


PASSWD = "root:x:0:0:root:/root:/bin/sh\n# comment\nweb:x:101:102:web:/srv/web:/bin/sh\n"
GROUP = "root:x:0:\nweb:x:102:\nmail:x:8:web,other\n"


@pytest.mark.parametrize(
    ("user", "uid", "gid", "identity"),
    [
        ("", None, None, Identity(0, 0, (0,), "/root")),
        ("web", None, None, Identity(101, 102, (8, 102), "/srv/web")),
        ("101", None, None, Identity(101, 102, (8, 102), "/srv/web")),
        ("web:mail", None, None, Identity(101, 8, (8,), "/srv/web")),
        ("1000", None, None, Identity(1000, 0, (0,), "/")),
        ("1000:1000", None, None, Identity(1000, 1000, (1000,), "/")),
        ("web", 7, None, Identity(7, 0, (0,), "/")),
        ("web", 101, 9, Identity(101, 9, (8, 9), "/srv/web")),
    ],
)
def test_a_user_is_found_in_the_image(user: str, uid: int | None, gid: int | None, identity: Identity) -> None:
    assert resolve(user, uid, gid, (), PASSWD, GROUP) == identity


def test_a_user_that_the_image_lacks_is_refused_by_name() -> None:
    with pytest.raises(UnknownUser, match="unable to find user nobody-knows: no matching entries in passwd file"):
        resolve("nobody-knows", None, None, (), PASSWD, GROUP)


def test_crun_speaks_as_runc_does() -> None:
    said = "executable file `foo` not found in $PATH: No such file or directory"
    expected = 'crun run failed: unable to start container process: exec: "foo": executable file not found in $PATH'
    assert start_failure("crun", said, "foo") == expected
    assert start_failure("runc", "as it is", "foo") == "as it is"
