"""Every served resource in every version: made, read in each form, changed, deleted, by what the facts say of it."""

from __future__ import annotations

from tests.apiserver.everykind import everything


async def test_every_resource_is_made_read_changed_and_deleted_in_every_version() -> None:
    wrong = await everything()
    assert not wrong, "\n".join(wrong)
