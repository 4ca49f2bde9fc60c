"""Issue 4: custom resources cost what built-ins cost, rules and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.apiserver.customresources.crontabs import CRONTABS, GROUP, defined, definition, version
from tests.apiserver.serving import serving
from tests.seen.sides import Side, compared

pytestmark = pytest.mark.timed

DATA = {f"key-{index}": "x" * 165 for index in range(5)}
BOUND = 1.5
Json = dict[str, Any]


def ruled() -> Json:
    data = {"type": "object", "maxProperties": 50, "additionalProperties": {"type": "string", "maxLength": 1000}}
    rules = [{"rule": "self.data.size() < 20"}, {"rule": "!has(self.color) || self.color in ['red', 'green']"}]
    spec = {"type": "object", "properties": {"data": data, "color": {"type": "string", "maxLength": 10}}}
    schema = {"type": "object", "properties": {"spec": {**spec, "x-kubernetes-validations": rules}}}
    return definition(version(schema={"openAPIV3Schema": schema}, additionalPrinterColumns=[], selectableFields=[]))


async def test_custom_resources_cost_like_built_ins(show: Callable[[str, object, object], None]) -> None:
    async with serving() as api:
        await defined(api, ruled())
        head = {"apiVersion": f"{GROUP}/v1", "kind": "CronTab"}
        custom = Side(api, CRONTABS, head, {"spec": {"data": DATA}})
        base = "/api/v1/namespaces/default/configmaps"
        builtin = Side(api, base, {"apiVersion": "v1", "kind": "ConfigMap"}, {"data": DATA})
        ratios = await compared(custom, builtin)
    show("custom resources cost like built-ins, with two rules (processor time, as a share)", ratios, f"≤ {BOUND}")
    assert max(ratios.values()) <= BOUND, ratios
