"""Indexes kept by small changes say the same as a scan of everything."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from podling.api.objects import Object
from podling.client.indexed import Indexed
from podling.client.received import Receiver
from podling.client.resources import PODS

NAMES, VALUES = st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2"])


@st.composite
def pods(draw: st.DrawFn) -> Object:
    metadata = {
        "name": draw(NAMES),
        "namespace": draw(st.sampled_from(["x", "y"])),
        "uid": draw(NAMES),
        "labels": draw(st.dictionaries(st.sampled_from(["k", "l"]), VALUES)),
        "ownerReferences": [{"uid": uid} for uid in draw(st.lists(NAMES, max_size=2, unique=True))],
    }
    pod = {"kind": "Pod", "metadata": metadata, "spec": {"nodeName": draw(st.sampled_from(["", "n1"]))}}
    return Receiver(PODS).object(msgspec.json.encode(pod))


@given(st.lists(st.tuples(st.booleans(), pods()), max_size=12))
def test_every_index_agrees_with_a_scan(changes: list[tuple[bool, Object]]) -> None:
    indexed = Indexed({"initial": lambda each: [each.head.name[:1]]})
    model: dict[str, Object] = {}
    for put, each in changes:
        if put:
            assert indexed.put(each) is model.get(each.key)
            model[each.key] = each
        else:
            assert indexed.remove(each.key) is model.pop(each.key, None)
    everything = list(model.values())
    assert _keys(indexed.list()) == _keys(everything)
    assert _keys(indexed.list("x")) == _keys([each for each in everything if each.head.namespace == "x"])
    assert _keys(indexed.owned("a")) == _keys([each for each in everything if "a" in each.head.owners])
    on_node = [each for each in everything if each.head.fields["spec.nodeName"] == "n1"]
    assert _keys(indexed.on_node("n1")) == _keys(on_node)
    for selector in ({}, {"k": "1"}, {"k": "1", "l": "2"}):
        wanted = [
            each for each in everything if each.head.namespace == "x" and selector.items() <= each.head.labels.items()
        ]
        assert _keys(indexed.selected("x", selector)) == _keys(wanted)
    assert _keys(indexed.indexed("initial", "b")) == _keys([each for each in everything if each.head.name == "b"])
    for each in everything:
        assert indexed.get(each.head.namespace, each.head.name) is each


def _keys(found: list[Object]) -> list[str]:
    return sorted(each.key for each in found)
