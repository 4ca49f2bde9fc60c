"""LIST: selectors, pages at one revision, resourceVersion semantics, other forms."""

from __future__ import annotations

import asyncio

import pytest

from tests.apiserver.serving import DEFAULT, Api, names, serving

CONFIG_MAPS = f"{DEFAULT}/configmaps"


async def several(api: Api, count: int) -> None:
    await asyncio.gather(*(api.config_map(f"m{i:03}", labels={"n": str(i % 3)}) for i in range(count)))


async def test_a_list_says_its_kind_and_revision_and_is_in_order_of_names() -> None:
    async with serving() as api:
        await several(api, 3)
        listing = (await api.get(CONFIG_MAPS)).json()
        assert (listing["kind"], listing["apiVersion"]) == ("ConfigMapList", "v1")
        assert names(listing) == ["m000", "m001", "m002"]
        assert int(listing["metadata"]["resourceVersion"]) == api.server.backend.cache.revision


async def test_an_empty_list_has_no_items() -> None:
    async with serving() as api:
        assert (await api.get(CONFIG_MAPS)).json()["items"] == []


async def test_a_long_list_is_whole_and_valid_json() -> None:
    async with serving() as api:
        await several(api, 200)
        assert len(names((await api.get(CONFIG_MAPS)).json())) == 200


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ({"labelSelector": "n=1"}, ["m001", "m004"]),
        ({"labelSelector": "n in (1,2),n!=2"}, ["m001", "m004"]),
        ({"labelSelector": "!n"}, []),
        ({"fieldSelector": "metadata.name=m002"}, ["m002"]),
        ({"fieldSelector": "metadata.name!=m002", "labelSelector": "n=2"}, ["m005"]),
    ],
)
async def test_selectors_select(selector: dict[str, str], found: list[str]) -> None:
    async with serving() as api:
        await several(api, 6)
        assert names((await api.get(CONFIG_MAPS, **selector)).json()) == found


async def test_an_unknown_field_and_a_broken_selector_are_bad_requests() -> None:
    async with serving() as api:
        answer = await api.get(CONFIG_MAPS, fieldSelector="spec.colour=red")
        known = '"spec.colour" is not a known field selector: only "metadata.name", "metadata.namespace"'
        assert (answer.status_code, answer.json()["message"]) == (400, known)
        answer = await api.get(f"{DEFAULT}/pods", fieldSelector="spec.colour=red")
        assert (answer.status_code, answer.json()["message"]) == (400, "field label not supported: spec.colour")
        assert (await api.get(CONFIG_MAPS, labelSelector="a in b")).status_code == 400


async def test_pages_show_the_state_of_the_first_one() -> None:
    async with serving() as api:
        await several(api, 7)
        first = (await api.get(CONFIG_MAPS, limit="3")).json()
        assert names(first) == ["m000", "m001", "m002"] and first["metadata"]["remainingItemCount"] == 4
        await api.config_map("m0005")
        await api.http.delete(f"{CONFIG_MAPS}/m006")
        second = (await api.get(CONFIG_MAPS, **{"limit": "3", "continue": first["metadata"]["continue"]})).json()
        assert names(second) == ["m003", "m004", "m005"] and second["metadata"]["remainingItemCount"] == 1
        third = (await api.get(CONFIG_MAPS, **{"limit": "3", "continue": second["metadata"]["continue"]})).json()
        assert names(third) == ["m006"] and "continue" not in third["metadata"]
        assert len({page["metadata"]["resourceVersion"] for page in (first, second, third)}) == 1


async def test_pages_of_a_selection_are_full_and_do_not_count_what_remains() -> None:
    async with serving() as api:
        await several(api, 9)
        first = (await api.get(CONFIG_MAPS, limit="2", labelSelector="n=1")).json()
        assert names(first) == ["m001", "m004"] and "remainingItemCount" not in first["metadata"]
        token = first["metadata"]["continue"]
        rest = (await api.get(CONFIG_MAPS, **{"limit": "2", "labelSelector": "n=1", "continue": token})).json()
        assert names(rest) == ["m007"] and "continue" not in rest["metadata"]


async def test_a_page_that_ends_with_the_list_has_no_token() -> None:
    async with serving() as api:
        await several(api, 4)
        first = (await api.get(CONFIG_MAPS, limit="2")).json()
        second = (await api.get(CONFIG_MAPS, **{"limit": "2", "continue": first["metadata"]["continue"]})).json()
        assert names(second) == ["m002", "m003"] and "continue" not in second["metadata"]


async def test_a_made_up_token_is_refused() -> None:
    async with serving() as api:
        answer = await api.get(CONFIG_MAPS, **{"continue": "bm9uc2Vuc2U"})
        assert answer.status_code == 400 and "continue key is not valid" in answer.json()["message"]


async def test_a_token_below_the_compaction_mark_is_gone_and_brings_another() -> None:
    async with serving() as api:
        await several(api, 4)
        first = (await api.get(CONFIG_MAPS, limit="2")).json()
        await api.config_map("later")
        await api.server.backend.storage.compact(api.server.backend.cache.revision)
        gone = await api.get(CONFIG_MAPS, **{"limit": "2", "continue": first["metadata"]["continue"]})
        assert (gone.status_code, gone.json()["reason"]) == (410, "Expired")
        again = await api.get(CONFIG_MAPS, **{"continue": gone.json()["metadata"]["continue"]})
        assert names(again.json()) == ["m002", "m003"]


async def test_exact_reads_the_past_and_not_older_than_the_present() -> None:
    async with serving() as api:
        made = await api.config_map("one")
        then = made["metadata"]["resourceVersion"]
        await api.config_map("two")
        exact = await api.get(CONFIG_MAPS, resourceVersion=then, resourceVersionMatch="Exact")
        assert names(exact.json()) == ["one"] and exact.json()["metadata"]["resourceVersion"] == then
        newer = await api.get(CONFIG_MAPS, resourceVersion=then, resourceVersionMatch="NotOlderThan")
        assert names(newer.json()) == ["one", "two"]
        assert names((await api.get(CONFIG_MAPS, resourceVersion="0")).json()) == ["one", "two"]


async def test_a_revision_of_the_future_is_waited_for_when_it_comes_soon() -> None:
    async with serving() as api:
        soon = api.server.backend.cache.revision + 1
        reading = asyncio.ensure_future(api.get(CONFIG_MAPS, resourceVersion=str(soon)))
        await api.config_map("one")
        assert names((await reading).json()) == ["one"]


async def test_only_metadata_where_only_metadata_is_asked_for() -> None:
    async with serving() as api:
        await api.config_map("one")
        accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        listing = (await api.get(CONFIG_MAPS, accept)).json()
        assert listing["kind"] == "PartialObjectMetadataList"
        assert listing["items"][0].keys() == {"kind", "apiVersion", "metadata"}


async def test_a_table_has_kubectls_columns() -> None:
    async with serving() as api:
        await api.config_map("one")
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        table = (await api.get(CONFIG_MAPS, accept)).json()
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        row = table["rows"][0]
        assert row["cells"][:2] == ["one", 1] and row["object"]["kind"] == "PartialObjectMetadata"
        whole = (await api.get(CONFIG_MAPS, accept, includeObject="Object")).json()
        assert whole["rows"][0]["object"]["data"] == {"key": "value"}
        one = (await api.get(f"{CONFIG_MAPS}/one", accept)).json()
        assert one["kind"] == "Table" and len(one["rows"]) == 1


async def test_json_is_given_wherever_it_is_accepted() -> None:
    async with serving() as api:
        assert (await api.get(CONFIG_MAPS, "application/cbor")).status_code == 406
        both = await api.get(CONFIG_MAPS, "application/vnd.kubernetes.protobuf,application/json")
        assert both.headers["content-type"] == "application/json"


async def test_a_collection_is_deleted_by_selector() -> None:
    async with serving() as api:
        await several(api, 6)
        answer = await api.http.delete(CONFIG_MAPS, params={"labelSelector": "n=1"})
        assert answer.status_code == 200 and names(answer.json()) == ["m001", "m004"]
        assert names((await api.get(CONFIG_MAPS)).json()) == ["m000", "m002", "m003", "m005"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"resourceVersionMatch": "Exact"}, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            {"resourceVersionMatch": "Newest", "resourceVersion": "1"},
            'Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""',
        ),
        ({"sendInitialEvents": "true"}, "sendInitialEvents is forbidden for list"),
        (
            {"resourceVersionMatch": "NotOlderThan", "watch": "true"},
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        (
            {"sendInitialEvents": "true", "watch": "true"},
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
    ],
)
async def test_options_that_contradict_each_other_are_invalid(query: dict[str, str], told: str) -> None:
    async with serving() as api:
        answer = await api.get(CONFIG_MAPS, **query)
        status = answer.json()
        assert (answer.status_code, status["reason"], status["details"]["kind"]) == (422, "Invalid", "ListOptions")
        assert status["message"].startswith('ListOptions.meta.k8s.io "" is invalid: ') and told in status["message"]


async def test_a_page_at_a_revision_is_exact_and_a_whole_list_is_not_older() -> None:
    async with serving() as api:
        await several(api, 3)
        then = (await api.get(CONFIG_MAPS)).json()["metadata"]["resourceVersion"]
        await api.config_map("m0000")
        page = (await api.get(CONFIG_MAPS, resourceVersion=then, limit="2")).json()
        assert names(page) == ["m000", "m001"] and page["metadata"]["resourceVersion"] == then
        whole = (await api.get(CONFIG_MAPS, resourceVersion=then)).json()
        assert names(whole) == ["m000", "m0000", "m001", "m002"]


async def test_events_are_selected_in_the_words_of_either_api() -> None:
    async with serving() as api:
        about = {"kind": "Pod", "name": "web", "namespace": "default"}
        await api.make(f"{DEFAULT}/events", {"metadata": {"name": "e"}, "involvedObject": about, "reason": "Because"})
        new = "/apis/events.k8s.io/v1/namespaces/default/events"
        assert names((await api.get(new, fieldSelector="regarding.name=web,reason=Because")).json()) == ["e"]
        assert names((await api.get(f"{DEFAULT}/events", fieldSelector="involvedObject.name=web")).json()) == ["e"]
        wrong = await api.get(new, fieldSelector="involvedObject.name=web")
        assert wrong.json()["message"] == "field label not supported: involvedObject.name"


async def test_items_of_built_in_kinds_do_not_say_again_what_they_are_and_custom_ones_do() -> None:
    async with serving() as api:
        await api.config_map("mine")
        definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        names_ = {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"}
        schema = {"openAPIV3Schema": {"type": "object"}}
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        spec = {"group": "example.com", "scope": "Namespaced", "names": names_, "versions": [version]}
        async with api.watching(definitions) as events:
            await api.make(definitions, {"metadata": {"name": "boats.example.com"}, "spec": spec})
            async for event in events:
                found = event["object"].get("status", {}).get("conditions") or []
                if "Established" in [each["type"] for each in found]:
                    break
        boats = "/apis/example.com/v1/namespaces/default/boats"
        await api.make(boats, {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "mine"}})
        plain, custom = [(await api.get(path)).json() for path in (CONFIG_MAPS, boats)]
        assert (plain["kind"], plain["apiVersion"]) == ("ConfigMapList", "v1")
        assert sorted(plain["items"][0]) == ["data", "metadata"] and plain["items"][0]["metadata"]["resourceVersion"]
        assert (custom["items"][0]["kind"], custom["items"][0]["apiVersion"]) == ("Boat", "example.com/v1")


async def test_a_dry_run_of_an_object_that_was_read_before_is_judged_like_a_new_one() -> None:
    async with serving() as api:
        made = await api.config_map("mine")
        again = made | {"metadata": made["metadata"] | {"name": "other"}}
        tried = await api.http.post(CONFIG_MAPS, json=again, params={"dryRun": "All"})
        assert (tried.status_code, "resourceVersion" in tried.json()["metadata"]) == (201, False)
        refused = await api.http.post(CONFIG_MAPS, json=again)
        assert refused.json()["message"] == "resourceVersion should not be set on objects to be created"
