"""The OpenAPI documents of everything that is served hang together: generators of clients read them all."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from tests.api.schema.test_openapi import references
from tests.apiserver.everykind import ALL, running

Json = dict[str, Any]


async def test_every_document_leads_nowhere_wrong_and_names_each_operation_once() -> None:
    names: Counter[str] = Counter()
    wrong: list[str] = []
    async with running() as server:
        index = (await server.ask("GET", "/openapi/v3"))["paths"]
        for prefix in index:
            document = await server.ask("GET", f"/openapi/v3/{prefix}")
            known = {f"#/components/schemas/{name}" for name in document.get("components", {}).get("schemas", {})}
            wrong += [f"{prefix}: {found}" for found in references(document) if found not in known]
            for path, item in document["paths"].items():
                shared = item.get("parameters", [])
                for operation in (item[verb] for verb in item if verb != "parameters"):
                    names[operation["operationId"]] += 1
                    given = {
                        each["name"] for each in (*shared, *operation.get("parameters", ())) if each["in"] == "path"
                    }
                    if set(re.findall(r"\{(\w+)\}", path)) != given:
                        wrong.append(f"{prefix}: {path} says {sorted(given)}")
        whole = await server.ask("GET", "/openapi/v2")
        models = {f"#/definitions/{name}" for name in whole["definitions"]}
        wrong += [f"v2: {found}" for found in references(whole) if found not in models]
    assert wrong == []
    assert [name for name, count in names.items() if count > 1] == []
    groups = {f"apis/{each.api_version}" if each.group else f"api/{each.version}" for each in ALL}
    assert groups <= set(index)
