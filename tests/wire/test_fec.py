"""ULPFEC payloads: what is written is read back, and no octets raise but `Malformed`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetref.wire import fec
from meetref.wire.reader import Malformed

word, long_word = st.integers(0, 65535), st.integers(0, 2**32 - 1)


@st.composite
def parities(draw: st.DrawFn) -> fec.Parity:
    reach = draw(st.sampled_from([fec.SHORT_COVER, fec.LONG_COVER]))
    covers = st.sets(st.integers(0, reach - 1), min_size=1).map(lambda places: tuple(sorted(places)))
    levels = draw(st.lists(st.builds(fec.Level, covers, st.binary(max_size=40)), min_size=1, max_size=3))
    first, second = draw(st.integers(0, 63)), draw(st.integers(0, 255))
    return fec.Parity(draw(word), first, second, draw(long_word), draw(word), levels)


@given(parities())
def test_round_trip(parity: fec.Parity) -> None:
    octets = fec.serialize(parity)
    assert fec.parse(octets) == parity
    assert fec.parse(bytes([octets[0] | 0x80]) + octets[1:]) == parity


@given(parities().map(fec.serialize), st.integers(0, 200))
def test_a_packet_cut_short_is_malformed_or_has_fewer_levels(octets: bytes, size: int) -> None:
    if size >= len(octets):
        return
    try:
        read = fec.parse(octets[:size])
    except Malformed:
        return
    assert len(read.levels) < len(fec.parse(octets).levels)


@given(st.binary(max_size=60))
def test_any_octets_are_a_packet_or_malformed(data: bytes) -> None:
    try:
        read = fec.parse(data)
    except Malformed:
        return
    assert fec.parse(fec.serialize(read)) == read


@pytest.mark.spec("fec/mask-not-empty")
@pytest.mark.parametrize(
    "levels",
    [[], [fec.Level((), b"")], [fec.Level((48,), b"")], [fec.Level((-1,), b"")], [fec.Level((0,), bytes(65536))]],
)
def test_what_does_not_fit_is_not_written(levels: list[fec.Level]) -> None:
    with pytest.raises(Malformed):
        fec.serialize(fec.Parity(levels=levels))
