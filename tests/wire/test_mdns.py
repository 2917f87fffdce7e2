"""Questions for `.local` names, and what answers say."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.mdns import (
    ANSWER,
    DIRECT_ANSWER,
    HEADER,
    IPV4_RECORD,
    IPV6_RECORD,
    MAXIMUM_RECORDS,
    TYPE_AND_CLASS,
    is_local_name,
    parse_addresses,
    serialize_question,
)
from meetref.wire.reader import Malformed

NAME = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"
OWNER = b"\x24" + NAME.removesuffix(".local").encode() + b"\x05local\0"


def record(owner: bytes, kind: int, data: bytes, group: int = 1) -> bytes:
    return owner + TYPE_AND_CLASS.pack(kind, group) + bytes(4) + len(data).to_bytes(2, "big") + data


def answer(*records: bytes, flags: int = ANSWER) -> bytes:
    return HEADER.pack(0, flags, 0, len(records), 0, 0) + b"".join(records)


def test_a_question_asks_for_both_families_and_a_direct_answer() -> None:
    question = serialize_question(7, NAME)
    assert question[:12] == bytes([0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0])
    assert question[12:] == OWNER + b"\0\x01\x80\x01" + OWNER + b"\0\x1c\x80\x01"


@pytest.mark.parametrize("name", ["local", ".local", "a.b.local", "example.org", "a.locale", "", "x" * 64 + ".local"])
def test_other_names_are_not_asked_for(name: str) -> None:
    assert not is_local_name(name)
    with pytest.raises(Malformed):
        serialize_question(0, name)


def test_addresses_of_the_name_are_found_and_others_are_not() -> None:
    data = answer(
        record(OWNER, IPV4_RECORD, bytes([192, 0, 2, 1]), 1 | DIRECT_ANSWER),
        record(b"\xc0\x0c", IPV6_RECORD, bytes(15) + b"\x01"),  # the same name, by a pointer
        record(b"\x05other\x05local\0", IPV4_RECORD, bytes([192, 0, 2, 2])),
        record(OWNER.upper(), IPV4_RECORD, bytes([192, 0, 2, 3])),
        record(OWNER, IPV4_RECORD, bytes(5)),
        record(OWNER, 16, b"text"),
    )
    assert parse_addresses(data, NAME.upper().replace("LOCAL", "local")) == ["192.0.2.1", "::1", "192.0.2.3"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        answer(flags=0),
        answer(record(b"\xc0\x0c", IPV4_RECORD, bytes(4))),  # points to itself
        answer(record(b"\xc0\xff", IPV4_RECORD, bytes(4))),
        answer(record(b"\x7f" + bytes(127), IPV4_RECORD, bytes(4))),
        answer(record(OWNER, IPV4_RECORD, bytes(4))[:-1]),
        answer(record(b"\x3f" + b"x" * 63 + b"\x3f" + b"x" * 63 + b"\x3f" + b"x" * 63 + b"\x3f" + b"x" * 63, 1, b"")),
        answer(*[record(b"\0", IPV4_RECORD, bytes(4))] * (MAXIMUM_RECORDS + 1)),
    ],
)
def test_what_cannot_be_read_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_addresses(data, NAME)


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda rest: answer(OWNER + rest)))
def test_any_octets_are_addresses_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert all(isinstance(host, str) for host in parse_addresses(data, NAME))
