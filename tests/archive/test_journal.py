"""The journal's format: any octets are read or are no journal, and whatever is cut or changed, a prefix is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.archive.journal import MAXIMUM_CONTENT, Journal, Record, TooNew, Unbegun, Writing, read
from meetref.wire.reader import Malformed

HEADER = {"recording": "r", "segment": 1}
CONTENTS = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(min_size=1, max_size=40)), max_size=8)


def written(records: list[tuple[int, bytes]], *, ends: bool = False) -> bytes:
    writing = Writing()
    octets = writing.begin(HEADER) + writing.add([Record(*record) for record in records])
    return octets + (writing.end(5) if ends else b"")


@given(CONTENTS, st.booleans())
def test_what_is_written_is_what_is_read(records: list[tuple[int, bytes]], ends: bool) -> None:
    octets = written(records, ends=ends)
    journal = read(octets)
    assert journal.header == HEADER
    assert journal.records == records
    assert (journal.size, journal.is_closed, journal.damage) == (len(octets), ends, None)


@given(st.binary(max_size=200), st.sampled_from([b"", written([]), written([(1, b"one")])]))
def test_any_octets_are_a_journal_or_malformed(octets: bytes, before: bytes) -> None:
    try:
        journal = read(before + octets)
    except Malformed:
        assert not before
    else:
        assert isinstance(journal, Journal)
        assert journal.size <= len(before + octets)


@pytest.mark.spec("journal/longest-prefix", "journal/whole-records")
@given(CONTENTS, st.booleans(), st.data())
def test_of_a_journal_cut_anywhere_all_whole_records_are_left(
    records: list[tuple[int, bytes]], ends: bool, data: st.DataObject
) -> None:
    octets = written(records, ends=ends)
    cut = data.draw(st.integers(0, len(octets)))
    try:
        journal = read(octets[:cut])
    except Unbegun:
        assert cut < len(written([]))
        return
    whole = max(count for count in range(len(records) + 1) if len(written(records[:count])) <= cut)
    assert journal.records == records[:whole]
    assert journal.is_closed == (ends and cut == len(octets))


@pytest.mark.spec("journal/crc-of-all-before")
@given(CONTENTS, st.data())
def test_a_wrong_octet_costs_what_is_behind_it_and_nothing_before(
    records: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    octets = written(records)
    place = data.draw(st.integers(0, len(octets) - 1))
    changed = octets[:place] + bytes([octets[place] ^ data.draw(st.integers(1, 255))]) + octets[place + 1 :]
    if place < len(written([])):
        with pytest.raises(Malformed):
            read(changed)
        return
    whole = max(count for count in range(len(records) + 1) if len(written(records[:count])) <= place)
    assert read(changed).records == records[:whole]


@pytest.mark.spec("journal/healing-again")
@given(CONTENTS, st.binary(max_size=30))
def test_a_journal_goes_on_where_it_is_whole(records: list[tuple[int, bytes]], behind: bytes) -> None:
    octets = written(records)
    journal = read(octets + behind)
    healed = octets[: journal.size] + Writing(journal.size, journal.crc).end(9)
    again = read(healed)
    assert again.records == records
    assert again.is_closed
    assert again.size == len(healed)


@pytest.mark.spec("journal/version")
def test_a_later_version_may_be_whole_and_is_not_read() -> None:
    octets = bytearray(written([(1, b"one")]))
    octets[9] = 2
    with pytest.raises(TooNew, match="version 2"):
        read(bytes(octets))


@pytest.mark.spec("journal/content-bounded")
@pytest.mark.parametrize("content", [b"", bytes(MAXIMUM_CONTENT + 1)])
def test_a_content_has_bounds_and_nothing_is_written_of_a_wrong_one(content: bytes) -> None:
    writing = Writing()
    writing.begin(HEADER)
    before = (writing.size, writing.crc)
    with pytest.raises(ValueError, match="octets"):
        writing.add([Record(1, b"good"), Record(2, content)])
    assert (writing.size, writing.crc) == before


@pytest.mark.parametrize("header", [{"long": "x" * 70_000}, {"not JSON": object()}])
def test_a_header_that_cannot_be_written_is_refused(header: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"header|JSON"):
        Writing().begin(header)
