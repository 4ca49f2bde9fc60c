"""DNS messages: what is packed is read back, and nothing that is sent can hurt."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podling.wire import dns
from podling.wire.dns import Answer, Malformed, Query, Record

NAME = "web.default.svc.cluster.local"
ADDRESS = Record(NAME, dns.A, bytes((10, 96, 0, 9)))
labels = st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=6).map(".".join)


def with_edns(query: bytes, size: int = 1232, version: int = 0) -> bytes:
    opt = b"\0" + struct.pack("!HHIH", dns.OPT, size, version << 16, 0)
    return query[:10] + b"\0\1" + query[12:] + opt


def answered(query: bytes, answer: Answer, **how: bool) -> dns.Message:
    return dns.parse_message(dns.pack_answer(dns.parse_query(query), answer, **how))


def test_a_query_on_the_wire() -> None:
    assert dns.pack_query("a.bc", dns.A, 0x1234).hex(" ") == (
        "12 34 01 00 00 01 00 00 00 00 00 00 01 61 02 62 63 00 00 01 00 01"
    )


def test_an_answer_on_the_wire_points_to_the_question_and_repeats_its_case() -> None:
    query = dns.pack_query("Ab", dns.A, 7)
    answer = Answer(dns.NOERROR, (dns.pack_record(Record("ab", dns.A, bytes((1, 2, 3, 4)), 5), "ab"),))
    assert dns.parse_query(query).name == b"\x02ab\0"
    assert dns.pack_answer(dns.parse_query(query), answer).hex(" ") == (
        "00 07 85 00 00 01 00 01 00 00 00 00 02 41 62 00 00 01 00 01 c0 0c 00 01 00 01 00 00 00 05 00 04 01 02 03 04"
    )


@given(names, st.lists(st.tuples(names, st.binary(max_size=40)), max_size=5))
def test_what_is_packed_is_read_back(name: str, records: list[tuple[str, bytes]]) -> None:
    sent = tuple(Record(owner, dns.TXT, data) for owner, data in [(name, b"x"), *records])
    message = answered(dns.pack_query(name, dns.TXT, 1), Answer(dns.NOERROR, dns.pack_records(sent, name)), stream=True)
    assert message.question == (name, dns.TXT)
    assert message.answers == sent


def test_an_answer_that_does_not_fit_asks_for_tcp() -> None:
    many = Answer(dns.NOERROR, dns.pack_records([ADDRESS] * 40, NAME))
    query = dns.pack_query(NAME, dns.A, 1)
    assert (answered(query, many).truncated, answered(query, many).answers) == (True, ())
    assert len(answered(with_edns(query), many).answers) == 40
    assert len(answered(query, many, stream=True).answers) == 40


def test_additional_records_are_the_first_to_go() -> None:
    answer = Answer(dns.NOERROR, dns.pack_records([ADDRESS], NAME), additional=dns.pack_records([ADDRESS] * 40, NAME))
    message = answered(dns.pack_query(NAME, dns.A, 1), answer)
    assert (message.truncated, message.answers, message.additional) == (False, (ADDRESS,), ())


def test_edns_is_answered_with_edns_and_only_then() -> None:
    answer = Answer(dns.NOERROR, dns.pack_records([ADDRESS], NAME))
    query = dns.pack_query(NAME, dns.A, 1)
    assert answered(query, answer).additional == ()
    assert [record.type for record in answered(with_edns(query), answer).additional] == [dns.OPT]


def test_an_unknown_edns_version_is_told() -> None:
    query = dns.parse_query(with_edns(dns.pack_query(NAME, dns.A, 1), version=1))
    assert query.rcode == dns.BADVERS
    message = dns.parse_message(dns.pack_answer(query, Answer(query.rcode)))
    assert message.rcode == 0
    assert message.additional[0].ttl >> 24 == 1


def test_records_take_turns() -> None:
    records = [Record(NAME, dns.A, bytes((10, 0, 0, n))) for n in range(3)]
    answer = Answer(dns.NOERROR, dns.pack_records(records, NAME))
    query = dns.parse_query(dns.pack_query(NAME, dns.A, 1))
    firsts = [dns.parse_message(dns.pack_answer(query, answer, turn=turn)).answers[0] for turn in range(4)]
    assert firsts == [*records, records[0]]


@pytest.mark.parametrize(
    ("data", "rcode"),
    [
        (struct.pack("!HHHHHH", 1, 0, 0, 0, 0, 0), dns.FORMERR),
        (struct.pack("!HHHHHH", 1, 0, 2, 0, 0, 0) + b"\0\0\1\0\1", dns.FORMERR),
        (struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\x05ab", dns.FORMERR),
        (struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", dns.FORMERR),
        (struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\x01a\0\0\1", dns.FORMERR),
        (struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + b"\x3f" + b"a" * 63, dns.FORMERR),
        (struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 0) + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", dns.FORMERR),
        (struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 1) + b"\0\0\1\0\1\0\0\x29", dns.FORMERR),
        (struct.pack("!HHHHHH", 1, 0x2800, 1, 0, 0, 0) + b"\0\0\1\0\1", dns.NOTIMP),
    ],
    ids=["no question", "two", "label cut", "pointer", "class cut", "no end", "name too long", "half an OPT", "update"],
)
def test_a_query_that_is_wrong_is_told_so(data: bytes, rcode: int) -> None:
    query = dns.parse_query(data)
    assert query.rcode == rcode
    assert dns.parse_message(dns.pack_answer(query, Answer(rcode))).rcode == rcode


@pytest.mark.parametrize("data", [b"", b"\0" * 11, struct.pack("!HHHHHH", 1, 0x8000, 0, 0, 0, 0)], ids=repr)
def test_what_is_no_query_gets_no_answer(data: bytes) -> None:
    with pytest.raises(Malformed):
        dns.parse_query(data)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parsers(data: bytes) -> None:
    for parse in (dns.parse_query, dns.parse_message):
        try:
            found = parse(data)
        except Malformed:
            continue
        if isinstance(found, Query):
            assert dns.parse_message(dns.pack_answer(found, Answer(found.rcode))).id == found.id


@given(names, st.data())
def test_no_damage_to_a_real_message_breaks_the_parsers(name: str, data: st.DataObject) -> None:
    whole = bytearray(with_edns(dns.pack_query(name, dns.A, 9)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for parse in (dns.parse_query, dns.parse_message):
        try:
            found = parse(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
        except Malformed:
            continue
        if isinstance(found, Query):
            dns.pack_answer(found, Answer(found.rcode))


def test_pointers_that_go_in_circles_are_refused() -> None:
    head = struct.pack("!HHHHHH", 1, 0x8000, 1, 0, 0, 0)
    for circle in (b"\xc0\x0c\0\1\0\1", b"\x01a\xc0\x0c\0\1\0\1"):
        with pytest.raises(Malformed):
            dns.parse_message(head + circle)


@pytest.mark.parametrize("name", ["a" * 64, "a..b", ".".join(["a" * 63] * 5)], ids=["label", "empty label", "name"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(Malformed):
        dns.wire_name(name)
