"""The packaged table is what the facts compile to, and it opens lazily."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from podling.api.schema import Schemas, group_of, load, package_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return load()


def test_the_packaged_table_is_what_the_facts_compile_to() -> None:
    compiled: bytes = runpy.run_path(str(ROOT / "data" / "compile.py"))["compile_table"]()
    packaged = (ROOT / "src" / "podling" / "api" / "schema" / "table.json").read_bytes()
    assert compiled == packaged, "run `python data/compile.py`"


def test_every_type_of_the_table_resolves(schemas: Schemas) -> None:
    broken = []
    for group, version in schemas.group_versions:
        for name in schemas.kinds(group, version):
            for field in schemas.named(f"{package_of(group, version)}.{name}").declared:
                if field.type.shape == "struct" and not field.type.name:
                    broken.append((group, version, name, field.name))
    assert broken == []


def test_every_resource_has_a_type(schemas: Schemas) -> None:
    lacking = set()
    for group_version, rows in schemas.resources.items():
        for row in rows.values():
            group, _, version = (row.subresource_of or group_version).rpartition("/")
            if schemas.kind(group, version, row.kind) is None:
                lacking.add(group_version)
    assert lacking == set()


@pytest.mark.parametrize(
    ("package", "group", "version"),
    [
        ("core/v1", "", "v1"),
        ("apps/v1beta2", "apps", "v1beta2"),
        ("rbac/v1", "rbac.authorization.k8s.io", "v1"),
        ("networking/v1", "networking.k8s.io", "v1"),
        ("flowcontrol/v1", "flowcontrol.apiserver.k8s.io", "v1"),
        ("apiserverinternal/v1alpha1", "internal.apiserver.k8s.io", "v1alpha1"),
    ],
)
def test_a_package_and_its_group_name_each_other(package: str, group: str, version: str) -> None:
    assert group_of(package) == (group, version)
    assert package_of(group, version) == package


def test_inline_structs_are_flat_in_json_and_nested_in_protobuf(schemas: Schemas) -> None:
    volume = schemas.named("core/v1.Volume")
    assert "emptyDir" in volume.fields
    assert [field.name for field in volume.declared] == ["name", "VolumeSource"]


def test_a_field_knows_how_its_list_is_merged(schemas: Schemas) -> None:
    pod = schemas.kind("", "v1", "Pod")
    assert pod is not None
    ports = pod.fields["spec"].type.fields["containers"].type.element
    assert ports is not None
    field = ports.fields["ports"]
    assert (field.patch_merge_key, field.list_type, field.list_map_keys) == (
        "containerPort",
        "map",
        ("containerPort", "protocol"),
    )


def test_a_path_leads_through_lists_to_a_type(schemas: Schemas) -> None:
    pod = schemas.kind("", "v1", "Pod")
    assert pod is not None
    protocol = pod.at("spec.containers.ports.protocol")
    assert protocol is not None and protocol.values == ("SCTP", "TCP", "UDP")
    assert pod.at("spec.nothing.here") is None


def test_options_and_status_are_kinds_of_every_group(schemas: Schemas) -> None:
    assert schemas.kind("apps", "v1", "DeleteOptions") is schemas.kind("", "v1", "DeleteOptions")
    assert schemas.kind("apps", "v1", "NoSuchKind") is None


def test_a_type_knows_the_releases_of_its_life(schemas: Schemas) -> None:
    cron = schemas.kind("batch", "v1beta1", "CronJob")
    assert cron is not None
    assert cron.lifecycle == {
        "introduced": "1.8",
        "deprecated": "1.21",
        "removed": "1.25",
        "replacement": "batch,v1,CronJob",
    }
