"""Extended reports: what is known is read, what is not is passed over, and lengths must fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire.extendedreport import (
    ExtendedReport,
    ReferenceDelay,
    ReferenceDelays,
    ReferenceTime,
    parse_body,
    serialize_body,
)
from meetref.wire.reader import Malformed, Reader

words = st.integers(0, 2**32 - 1)
times = st.builds(ReferenceTime, st.integers(0, 2**64 - 1))
delays = st.builds(ReferenceDelays, st.lists(st.builds(ReferenceDelay, words, words, words), max_size=40))
reports = st.builds(ExtendedReport, words, st.lists(times | delays, max_size=5))
others = st.tuples(
    st.integers(0, 255).filter(lambda kind: kind not in (4, 5)), st.integers(0, 255), st.integers(0, 6)
).map(lambda drawn: bytes([drawn[0], drawn[1], 0, drawn[2]]) + b"\x05" * 4 * drawn[2])


@given(reports)
def test_round_trip(report: ExtendedReport) -> None:
    data = serialize_body(report)
    assert len(data) % 4 == 0
    assert parse_body(Reader(data)) == report


@given(
    st.binary(max_size=120)
    | reports.map(serialize_body).flatmap(lambda data: st.integers(0, len(data)).map(lambda end: data[:end]))
)
def test_any_octets_are_a_report_or_malformed(data: bytes) -> None:
    try:
        report = parse_body(Reader(data))
    except Malformed:
        return
    assert parse_body(Reader(serialize_body(report))) == report


@pytest.mark.spec("rtcp/extended-unknown-blocks", "rtcp/extended-reserved-bits")
@given(reports, st.lists(others, min_size=1, max_size=3), st.booleans())
def test_other_blocks_are_passed_over(report: ExtendedReport, more: list[bytes], first: bool) -> None:
    data, blocks = serialize_body(report), b"".join(more)
    between = data[:4] + blocks + data[4:] if first else data + blocks
    assert parse_body(Reader(between)) == report


@pytest.mark.spec("rtcp/extended-reserved-bits")
@given(reports, st.integers(0, 255))
def test_what_is_reserved_is_not_looked_at(report: ExtendedReport, reserved: int) -> None:
    data = bytearray(serialize_body(report))
    at = 4
    while at < len(data):
        assert data[at + 1] == 0
        data[at + 1] = reserved
        at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4])
    assert parse_body(Reader(bytes(data))) == report


@pytest.mark.spec("rtcp/reference-time", "rtcp/reference-delays", "rtcp/extended-block-lengths")
@pytest.mark.parametrize("kind", [4, 5, 99])
@given(claimed=st.integers(0, 0xFFFF), there=st.integers(0, 12))
def test_a_block_has_the_length_that_its_type_wants(kind: int, claimed: int, there: int) -> None:
    data = b"\0\0\0\7" + bytes([kind, 0]) + claimed.to_bytes(2) + bytes(4 * there)
    fits = {4: claimed == 2, 5: claimed % 3 == 0, 99: True}[kind]
    # What follows a shorter block are further blocks, of type 0 and of no length.
    if fits and claimed <= there:
        assert parse_body(Reader(data)).ssrc == 7
    else:
        with pytest.raises(Malformed):
            parse_body(Reader(data))
