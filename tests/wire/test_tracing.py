"""A reader that remembers reads the same, and what it remembers is every octet, once and in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import handshake12, handshake13
from meetref.wire.reader import Malformed, Reader
from meetref.wire.tracing import Read, TracingReader
from tests.wire.test_handshake12 import messages as older
from tests.wire.test_handshake13 import messages as newer


def leaves(reads: Sequence[Read]) -> Iterator[Read]:
    for read in reads:
        if read.parts:
            yield from leaves(read.parts)
        else:
            yield read


def check(body: bytes, reader: TracingReader) -> None:
    at = 0
    for leaf in leaves(reader.reads):
        assert leaf.offset == at
        assert leaf.length > 0
        assert leaf.name
        at += leaf.length
    assert at == len(body)


@given(older)
def test_a_message_of_1_2_is_covered_by_what_its_parser_reads(message: handshake12.Handshake) -> None:
    body = handshake12.serialize(message)
    reader = TracingReader(body)
    assert handshake12.MESSAGES[handshake12.message_number(message)].read(reader) == message
    check(body, reader)


@given(newer)
def test_a_message_of_1_3_is_covered_by_what_its_parser_reads(message: handshake13.Handshake) -> None:
    body = handshake13.serialize(message)
    reader = TracingReader(body)
    assert handshake13.MESSAGES[handshake13.message_number(message)].read(reader) == message
    check(body, reader)


@given(st.sampled_from(sorted(handshake13.MESSAGES)), st.binary(max_size=120))
def test_any_octets_are_read_as_by_the_plain_reader(number: int, body: bytes) -> None:
    read = handshake13.MESSAGES[number].read
    try:
        expected = read(Reader(body))
    except Malformed as error:
        with pytest.raises(Malformed, match=str(error.what).replace("+", ".")):
            read(TracingReader(body))
        return
    assert read(TracingReader(body)) == expected


def test_names_and_places() -> None:
    reader = TracingReader(bytes.fromhex("00 04 13 01 13 02 ff"))
    block = reader.within(2, "suites")
    assert (block.uint16("suite"), block.uint16("suite"), reader.uint8("rest")) == (0x1301, 0x1302, 255)
    assert reader.reads == [
        Read(0, 2, "suites length"),
        Read(2, 4, "suites", [Read(2, 2, "suite"), Read(4, 2, "suite")]),
        Read(6, 1, "rest"),
    ]
