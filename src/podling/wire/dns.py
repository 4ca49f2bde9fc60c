"""DNS messages: queries in, answers out, packed by hand (RFC 1035, 2782, 6891).

A server answers the same few names thousands of times a second, so answers are kept as packed records that need only
the query's own head and question in front. The owner name of an answer is nearly always the question's, which two
bytes point at; nothing else is compressed. Parsing never trusts a length, a pointer or a count of the sender.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 255
INTERNET = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16

SMALLEST_LIMIT, LARGEST_LIMIT = 512, 4096
"""Bytes of a UDP answer without EDNS, and the most we send with it."""

_HEAD = struct.Struct("!HHHHHH")
_QUESTION_END = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_QR, _AA, _TC, _RD = 0x8000, 0x0400, 0x0200, 0x0100
_TO_QUESTION = b"\xc0\x0c"


class Malformed(ValueError):
    """Not a DNS message, or not one that can be answered in its own terms."""


class Query(NamedTuple):
    """A question as it was asked."""

    id: int
    flags: int
    question: bytes
    """Name, type and class as sent: it is repeated in the answer, upper case and all."""
    name: bytes
    """The name on the wire in lower case: what answers are found by."""
    type: int
    class_: int
    limit: int = 0
    """What the client takes by UDP if it speaks EDNS, else 0."""
    rcode: int = NOERROR
    """What is wrong with a query that could still be read."""


class Record(NamedTuple):
    name: str
    type: int
    data: bytes
    ttl: int = 5


class Answer(NamedTuple):
    """An answer without its question: packed records. Good for every query with the same name and type."""

    rcode: int
    answers: tuple[bytes, ...] = ()
    authority: tuple[bytes, ...] = ()
    additional: tuple[bytes, ...] = ()
    authoritative: bool = True
    aliases: int = 0
    """So many answers at the front lead to the others: resolvers want them first, they never take turns."""


class Message(NamedTuple):
    """A whole message, read: names in lower case without their last dot."""

    id: int
    rcode: int
    truncated: bool
    authoritative: bool
    question: tuple[str, int]
    answers: tuple[Record, ...]
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]


def wire_name(name: str) -> bytes:
    """`a.b` or `a.b.` as labels. Raises Malformed for labels over 63 and names over 255 bytes."""
    out = bytearray()
    for label in name.rstrip(".").split(".") if name.rstrip(".") else ():
        raw = label.encode("utf-8")
        if not 0 < len(raw) < 64:
            raise Malformed(f"a label of {len(raw)} bytes in {name!r}")
        out.append(len(raw))
        out += raw
    if len(out) > 254:
        raise Malformed(f"a name of {len(out) + 1} bytes")
    return bytes(out) + b"\0"


def labels_of(name: bytes) -> list[str]:
    """The labels of a name on the wire without pointers; bytes that are no text are replaced."""
    labels, offset = [], 0
    while offset < len(name) and (length := name[offset]):
        labels.append(name[offset + 1 : offset + 1 + length].decode("utf-8", "replace"))
        offset += 1 + length
    return labels


def srv_data(priority: int, weight: int, port: int, target: str) -> bytes:
    return struct.pack("!HHH", priority, weight, port) + wire_name(target)


def soa_data(server: str, mailbox: str, serial: int, negative_ttl: int) -> bytes:
    return wire_name(server) + wire_name(mailbox) + struct.pack("!IIIII", serial, 7200, 1800, 86400, negative_ttl)


def txt_data(text: str) -> bytes:
    raw = text.encode()[:255]
    return bytes((len(raw),)) + raw


def pack_record(record: Record, asked: str = "") -> bytes:
    """On the wire; the owner becomes a pointer to the question if it is the name that was `asked`."""
    owner = _TO_QUESTION if record.name == asked else wire_name(record.name)
    return owner + _RECORD.pack(record.type, INTERNET, record.ttl, len(record.data)) + record.data


def pack_query(name: str, type_: int, id_: int) -> bytes:
    return _HEAD.pack(id_, _RD, 1, 0, 0, 0) + wire_name(name) + _QUESTION_END.pack(type_, INTERNET)


def parse_query(data: bytes) -> Query:
    """Raises Malformed for what deserves no answer; a query that is wrong in itself comes back with its rcode."""
    if len(data) < 12:
        raise Malformed("shorter than a DNS header")
    id_, flags, questions, answers, authorities, additionals = _HEAD.unpack_from(data)
    if flags & _QR:
        raise Malformed("an answer, not a query")
    if flags & 0x7800:
        return Query(id_, flags, b"", b"", 0, 0, rcode=NOTIMP)
    try:
        if questions != 1:
            raise Malformed(f"{questions} questions")
        end = _end_of_plain_name(data, 12)
        type_, class_ = _unpack(_QUESTION_END, data, end)
    except Malformed:
        return Query(id_, flags, b"", b"", 0, 0, rcode=FORMERR)
    limit, rcode = 0, NOERROR
    if additionals and not answers and not authorities:
        limit, rcode = _edns(data, end + 4, additionals)
    return Query(id_, flags, data[12 : end + 4], data[12:end].lower(), type_, class_, limit, rcode)


def pack_answer(query: Query, answer: Answer, *, turn: int = 0, stream: bool = False) -> bytes:
    """The answer to this query. `turn` rotates the records; `stream`: over TCP, where no size is too large.

    What does not fit is left out as a whole with the truncation bit set, so the client comes back by TCP.
    """
    opt = _packed_opt(query, answer.rcode) if query.limit or query.rcode == BADVERS else b""
    limit = 65_535 if stream else min(max(query.limit, SMALLEST_LIMIT), LARGEST_LIMIT)
    flags = _QR | (query.flags & (_RD | 0x7800)) | (answer.rcode & 0xF)
    flags |= _AA if answer.authoritative else 0
    answers = answer.answers
    aliases, turning = answers[: answer.aliases], answers[answer.aliases :]
    if turn and len(turning) > 1 and (turn := turn % len(turning)):
        answers = aliases + turning[turn:] + turning[:turn]
    for additional in (answer.additional, ()):
        body = b"".join((query.question, *answers, *answer.authority, *additional, opt))
        if len(body) + 12 <= limit:
            counts = (len(answers), len(answer.authority), len(additional) + bool(opt))
            return _HEAD.pack(query.id, flags, 1 if query.question else 0, *counts) + body
    head = _HEAD.pack(query.id, flags | _TC, 1 if query.question else 0, 0, 0, 1 if opt else 0)
    return head + query.question + opt


PLAIN = _HEAD.pack(0, _RD, 1, 0, 0, 0)[2:]
"""What follows the id in the head of nearly every query: recursion desired, one question, nothing else."""


def pack_plain(question: bytes, answer: Answer) -> tuple[bytes, bytes] | None:
    """For a PLAIN query: what its answer has between id and question, and behind the question.

    None where the answer is not the same for everybody: records that take turns, or more than fits.
    """
    packed = pack_answer(Query(0, _RD, question, b"", 0, 0), answer)
    if len(answer.answers) > 1 or packed[2] & (_TC >> 8):
        return None
    return packed[2:12], packed[12 + len(question) :]


def parse_message(data: bytes) -> Message:
    """A whole message, as a client reads it. Raises Malformed."""
    id_, flags, questions, *counts = _unpack(_HEAD, data, 0)
    question, offset = ("", 0), 12
    for _ in range(questions):
        name, offset = _name(data, offset)
        type_, _ = _unpack(_QUESTION_END, data, offset)
        question, offset = (name, type_), offset + 4
    sections: list[tuple[Record, ...]] = []
    for count in counts:
        records = []
        for _ in range(count):
            record, offset = _record(data, offset)
            records.append(record)
        sections.append(tuple(records))
    return Message(id_, flags & 0xF, bool(flags & _TC), bool(flags & _AA), question, *sections)


def name_in(data: bytes) -> str:
    """The name that record data without pointers begins with: that of a PTR, CNAME or NS."""
    return _name(data, 0)[0]


def _record(data: bytes, offset: int) -> tuple[Record, int]:
    name, offset = _name(data, offset)
    type_, _, ttl, length = _unpack(_RECORD, data, offset)
    offset += _RECORD.size
    if offset + length > len(data):
        raise Malformed("record data beyond the end")
    return Record(name, type_, data[offset : offset + length], ttl), offset + length


def _edns(data: bytes, offset: int, count: int) -> tuple[int, int]:
    """(the client's limit, rcode) from the OPT record among the additional ones."""
    try:
        for _ in range(count):
            record, end = _record(data, offset)
            if record.type == OPT:
                size, version = int.from_bytes(data[offset + 3 : offset + 5], "big"), (record.ttl >> 16) & 0xFF
                return max(size, SMALLEST_LIMIT), BADVERS if version else NOERROR
            offset = end
    except Malformed:
        return 0, FORMERR
    return 0, NOERROR


def _packed_opt(query: Query, rcode: int) -> bytes:
    return b"\0" + _RECORD.pack(OPT, LARGEST_LIMIT, (rcode >> 4) << 24, 0)


def _end_of_plain_name(data: bytes, offset: int) -> int:
    """Where a name without pointers ends (behind its last byte)."""
    start = offset
    while True:
        if offset >= len(data):
            raise Malformed("a name beyond the end")
        length = data[offset]
        offset += 1 + length
        if length > 63 or offset - start > 255:
            raise Malformed("a label or name that is too long")
        if length == 0:
            return offset


def _name(data: bytes, offset: int) -> tuple[str, int]:
    """A name that may end in pointers, and where reading goes on. A pointer must lead backwards, so no name loops."""
    labels: list[str] = []
    end, lowest, size = 0, offset, 0
    while True:
        if offset >= len(data):
            raise Malformed("a name beyond the end")
        length = data[offset]
        if length >= 0xC0:
            if offset + 1 >= len(data):
                raise Malformed("half a pointer")
            end = end or offset + 2
            offset = (length & 0x3F) << 8 | data[offset + 1]
            if offset >= lowest:
                raise Malformed("a pointer that does not lead backwards")
            lowest = offset
            continue
        size += 1 + length
        if length > 63 or size > 255 or offset + 1 + length > len(data):
            raise Malformed("a label or name that is too long")
        if length == 0:
            return ".".join(labels), end or offset + 1
        labels.append(data[offset + 1 : offset + 1 + length].decode("utf-8", "replace").lower())
        offset += 1 + length


def _unpack(form: struct.Struct, data: bytes, offset: int) -> tuple[int, ...]:
    if offset + form.size > len(data):
        raise Malformed("cut short")
    return form.unpack_from(data, offset)


def pack_records(records: Iterable[Record], asked: str) -> tuple[bytes, ...]:
    return tuple(pack_record(record, asked) for record in records)


def negative(rcode: int, authority: Sequence[bytes]) -> Answer:
    """NXDOMAIN, or NOERROR without an answer: the SOA says how long it may be remembered (RFC 2308)."""
    return Answer(rcode, authority=tuple(authority))
