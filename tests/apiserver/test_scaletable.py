"""What `kubectl get --subresource` prints."""

from __future__ import annotations

from tests.apiserver.serving import serving
from tests.apiserver.test_objects import RS, replica_set


async def test_a_scale_has_columns_of_its_own() -> None:
    async with serving() as api:
        await api.make(RS, replica_set("web"))
        done = await api.kubectl("get", "rs", "web", "--subresource=scale")
        head, row = done.out.splitlines()
        assert head.split() == ["NAME", "DESIRED", "AVAILABLE", "AGE"]
        assert row.split()[:3] == ["web", "1", "0"]
        whole = await api.kubectl("get", "rs", "web", "--subresource=scale", "-o", "jsonpath={.kind} {.spec.replicas}")
        assert whole.out == "Scale 1"


async def test_a_status_is_printed_as_the_object_is() -> None:
    async with serving() as api:
        await api.make(RS, replica_set("web"))
        plain = await api.kubectl("get", "rs", "web")
        status = await api.kubectl("get", "rs", "web", "--subresource=status")
        assert "DESIRED" in plain.out
        assert ageless(status.out) == ageless(plain.out)


def ageless(table: str) -> list[list[str]]:
    """All columns but the last, which says another second soon."""
    return [line.split()[:-1] for line in table.splitlines()]


async def test_the_metadata_of_a_scale_may_be_asked_for_alone() -> None:
    async with serving() as api:
        await api.make(RS, replica_set("web"))
        accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
        found = (await api.get(f"{RS}/web/scale", accept)).json()
        assert (found["kind"], found["metadata"]["name"]) == ("PartialObjectMetadata", "web")
        table = "application/json;as=Table;g=meta.k8s.io;v=v1"
        (row,) = (await api.get(f"{RS}/web/scale", table, includeObject="Object")).json()["rows"]
        assert row["object"]["kind"] == "Scale"
