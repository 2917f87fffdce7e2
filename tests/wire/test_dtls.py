"""Records and fragments: what is written can be read, and nothing else than `Malformed` escapes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import dtls
from meetref.wire.dtls import Fragment, Record
from meetref.wire.reader import Malformed
from tests.wire.strangers import read

records = st.builds(
    Record,
    st.sampled_from(list(dtls.CONTENT_TYPES)),
    st.integers(0xFE00, 0xFEFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 2**48 - 1),
    st.binary(max_size=60),
)


@st.composite
def fragments(draw: st.DrawFn) -> Fragment:
    body, offset, more = draw(st.binary(max_size=40)), draw(st.integers(0, 5000)), draw(st.integers(0, 5000))
    length = offset + len(body) + more
    return Fragment(draw(st.integers(0, 255)), length, draw(st.integers(0, 0xFFFF)), offset, body)


@given(st.lists(records, max_size=3))
def test_record_round_trip(several: list[Record]) -> None:
    assert dtls.parse(b"".join(map(dtls.serialize, several))) == several


@given(st.lists(fragments(), max_size=3))
def test_fragment_round_trip(several: list[Fragment]) -> None:
    assert list(dtls.fragments(b"".join(map(dtls.serialize_fragment, several)))) == several


@given(st.binary(max_size=80))
def test_any_octets_are_values_or_malformed(data: bytes) -> None:
    several = read(dtls.parse, data)
    assert several is None or b"".join(map(dtls.serialize, several)) == data
    parts = read(lambda: list(dtls.fragments(data)))
    assert parts is None or b"".join(map(dtls.serialize_fragment, parts)) == data


@pytest.mark.spec("dtls/record-header-invalid", "dtls/record-too-long", "dtls/record-within-datagram")
@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("18 fefd 0000 000000000000 0000", "type 24"),
        ("16 0303 0000 000000000000 0000", "version 0x0303"),
        ("17 fefd 0001 000000000000 4801", "18433 octets"),
        ("16 fefd 0000 000000000000 0001", "record payload"),
        ("16 fefd 0000", "record header"),
        ("2e 0000", "record header"),
    ],
)
def test_records_that_are_none(header: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        dtls.parse(bytes.fromhex(header))


@pytest.mark.spec("dtls/record-within-datagram")
def test_what_stands_before_a_damaged_record_counts() -> None:
    good = Record(dtls.ALERT, 0xFEFD, 0, 7, b"\x02\x28")
    found = dtls.records(dtls.serialize(good) + b"\x16\xfe")
    assert next(found) == good
    with pytest.raises(Malformed):
        next(found)


@pytest.mark.spec("dtls/fragments-agree")
def test_a_fragment_stays_within_its_message() -> None:
    with pytest.raises(Malformed, match="in a message of 3 octets"):
        list(dtls.fragments(dtls.serialize_fragment(Fragment(1, 3, 0, 2, b"xx"))))


# --- what 1.3 adds ----------------------------------------------------------------------------------


@pytest.mark.spec("dtls/unified-header-demultiplexed", "dtls/unified-header-without-length")
def test_plain_and_protected_records_in_one_datagram() -> None:
    plain = dtls.serialize(Record(dtls.HANDSHAKE, 0xFEFD, 0, 7, b"hello"))
    with_length = bytes.fromhex("2e 0102 0003") + b"abc"
    without = bytes.fromhex("22 05") + b"the rest"
    found = list(dtls.mixed_records(plain + with_length + without))
    assert found == [
        Record(dtls.HANDSHAKE, 0xFEFD, 0, 7, b"hello"),
        dtls.Ciphertext(with_length[:5], b"abc"),
        dtls.Ciphertext(without[:2], b"the rest"),
    ]


@pytest.mark.spec("dtls/unified-header-connection-id", "dtls/unified-header-demultiplexed")
@pytest.mark.parametrize("first", [0x30, 0x3F, 20, 23, 25, 64, 255])
def test_what_1_3_does_not_have_in_the_clear(first: int) -> None:
    with pytest.raises(Malformed):
        list(dtls.mixed_records(bytes((first,)) + bytes.fromhex("fefd 0000 000000000000 0000")))


@given(st.binary(max_size=80))
def test_any_octets_are_mixed_records_or_malformed(data: bytes) -> None:
    try:
        found = list(dtls.mixed_records(data))
    except Malformed:
        return
    octets = [
        each.header + each.payload if isinstance(each, dtls.Ciphertext) else dtls.serialize(each) for each in found
    ]
    assert b"".join(octets) == data


@given(st.lists(st.builds(dtls.RecordNumber, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=5))
def test_ack_round_trip(numbers: list[dtls.RecordNumber]) -> None:
    assert list(dtls.parse_ack(dtls.serialize_ack(numbers))) == numbers


@given(st.binary(max_size=50))
def test_any_octets_are_an_ack_or_malformed(data: bytes) -> None:
    try:
        numbers = dtls.parse_ack(data)
    except Malformed:
        return
    assert dtls.serialize_ack(numbers) == data
